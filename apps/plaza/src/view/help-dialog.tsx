import { MESSAGE_LENGTH } from "../what-was-said.ts";
import { Dialog } from "./dialog.tsx";

const KEYS: readonly (readonly [readonly string[], string])[] = [
  [["Enter"], "Send the message"],
  [["Shift", "Enter"], "Begin a new line"],
  [["Alt", "↑"], "Room above"],
  [["Alt", "↓"], "Room below"],
  [["Tab"], "Next control; the messages scroll with the arrow keys"],
  [["Esc"], "Close what is open"],
  [["?"], "This help, when you are not writing"],
];

/** The keys, and what one may wonder about. */
export function HelpDialog({ onDone }: { readonly onDone: () => void }) {
  return (
    <Dialog titleId="help-title" onCancel={onDone}>
      <div class="help">
        <h2 id="help-title">Around the plaza</h2>
        <table>
          <caption class="sr-only">Keys</caption>
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
        <p class="lead">
          Everybody on the square hears every room in the list, so a number beside a room counts what you have
          not read there. A message has up to {MESSAGE_LENGTH.toLocaleString("en")} characters. What you write
          while the connection is lost is sent when it is back.
        </p>
        <div class="dialog-actions">
          <button type="button" class="primary" data-autofocus onClick={onDone}>
            Close
          </button>
        </div>
      </div>
    </Dialog>
  );
}
