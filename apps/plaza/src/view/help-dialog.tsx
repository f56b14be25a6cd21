import { MESSAGE_LENGTH } from "../what-was-said.ts";
import { counted, WORDS } from "../words.ts";
import { Dialog } from "./dialog.tsx";

const KEYS: readonly (readonly [readonly string[], string])[] = [
  [["Enter"], WORDS.keySend],
  [["Shift", "Enter"], WORDS.keyLine],
  [["Alt", "↑"], WORDS.keyAbove],
  [["Alt", "↓"], WORDS.keyBelow],
  [["Tab"], WORDS.keyTab],
  [["Home"], WORDS.keyHome],
  [["End"], WORDS.keyEnd],
  [["Esc"], WORDS.keyEscape],
  [["?"], WORDS.keyHelp],
];

/** The keys, and what one may wonder about. */
export function HelpDialog({ onDone }: { readonly onDone: () => void }) {
  return (
    <Dialog titleId="help-title" onCancel={onDone}>
      <div class="help">
        <h2 id="help-title" tabIndex={-1} data-autofocus>
          {WORDS.helpTitle}
        </h2>
        <p class="lead">{WORDS.helpText(counted(MESSAGE_LENGTH))}</p>
        <table class="only-hover">
          <caption class="sr-only">{WORDS.keys}</caption>
          <tbody>
            {KEYS.map(([keys, what]) => (
              <tr key={what}>
                <th scope="row">
                  {keys.map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </th>
                <td>{what}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <div class="dialog-actions">
          <button type="button" class="primary" onClick={onDone}>
            {WORDS.close}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
