import { type Action, keyName } from "../hands/bindings.ts";
import { WORDS } from "../play/words.ts";
import type { Stage } from "./stage.ts";

const WALKS = ["up", "left", "down", "right"] as const satisfies readonly Action[];

/** How one walks, throws and dashes: with keys and mouse, or where the thumbs go. Until one has. */
export function How({ stage }: { readonly stage: Stage }) {
  const { how } = WORDS;
  const keyOf = (action: Action): string => stage.bindings.value[action].slice(0, 1).map(keyName).join("");
  return (
    <div class="how" data-testid="how">
      <p class="how-keys">
        <span>
          {WALKS.map((action) => (
            <kbd key={action}>{keyOf(action)}</kbd>
          ))}{" "}
          {how.walk}
        </span>
        <span>
          <kbd>{how.click}</kbd> {how.throw}
        </span>
        <span>
          <kbd>{keyOf("dash")}</kbd> {how.dash}
        </span>
      </p>
      <p class="how-thumb" data-side="left">
        {how.walk}
      </p>
      <p class="how-thumb" data-side="right">
        {how.aim}
      </p>
      <p class="how-dash">{how.dash}</p>
    </div>
  );
}
