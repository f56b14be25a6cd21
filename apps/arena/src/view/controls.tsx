import { useSignal } from "@preact/signals";
import { type Action, ACTIONS, FIRST_BINDINGS, keyName, rebind } from "../hands/bindings.ts";
import { WORDS } from "../play/words.ts";
import type { Stage } from "./stage.ts";

/** Which key does what; another one can be given to each. */
export function Controls({ stage }: { readonly stage: Stage }) {
  const waiting = useSignal<Action | undefined>(undefined);
  // Against bots alone there is no network to show.
  const actions = ACTIONS.filter((action) => action !== "net" || stage.net.value !== undefined);
  return (
    <details class="controls">
      <summary>{WORDS.controls}</summary>
      <p class="hush">{WORDS.keysHint}</p>
      <ul class="keys">
        {actions.map((action) => (
          <li key={action}>
            <button
              type="button"
              class="key-button"
              data-testid={`key-${action}`}
              aria-pressed={waiting.value === action}
              onClick={() => {
                waiting.value = action;
              }}
              onBlur={() => {
                if (waiting.value === action) waiting.value = undefined;
              }}
              onKeyDown={(event) => {
                if (waiting.value !== action) return;
                event.preventDefault();
                event.stopPropagation();
                waiting.value = undefined;
                stage.setBindings(rebind(stage.bindings.value, action, event.code));
              }}
            >
              <span>{WORDS.actions[action]}</span>
              <kbd>
                {waiting.value === action
                  ? WORDS.pressKey
                  : stage.bindings.value[action].map(keyName).join(" / ") || "–"}
              </kbd>
            </button>
          </li>
        ))}
      </ul>
      <p class="hush">{WORDS.mouse}</p>
      <p class="hush">{WORDS.touch}</p>
      <p class="hush">{WORDS.pad}</p>
      <button type="button" class="quiet" onClick={() => stage.setBindings(FIRST_BINDINGS)}>
        {WORDS.resetKeys}
      </button>
    </details>
  );
}

export function SoundSwitch({ stage }: { readonly stage: Stage }) {
  const isOn = stage.isSoundOn.value;
  return (
    <button
      type="button"
      role="switch"
      class="switch"
      aria-checked={isOn}
      data-testid="sound"
      onClick={() => stage.setSound(!isOn)}
    >
      <span>{WORDS.sound}</span>
      <span class="track" aria-hidden="true" />
    </button>
  );
}
