import { useEffect } from "preact/hooks";
import type { Square } from "../square.ts";
import { WORDS } from "../words.ts";

/**
 * How long the news of a comeback stays, in milliseconds. What was lost is also said between the messages,
 * and stays there.
 */
const COMEBACK_MS = 5_000;

/** The state of the connection in one word, always there; while it is lost, also what to do about it. */
export function ConnectionState({ square }: { readonly square: Square }) {
  const state = square.connection.value;
  const { phase } = state;
  const isNamed = square.name.value !== undefined;
  return (
    <p class="connection" data-testid="connection-state" data-state={phase}>
      <span class="lamp" aria-hidden="true" />
      <span class="connection-word">{isNamed ? WORDS.phases[phase] : WORDS.notYet}</span>
      {phase === "waiting" && (
        <button type="button" title={WORDS.absences[state.why]} onClick={() => square.tryNow()}>
          {WORDS.tryNow}
        </button>
      )}
    </p>
  );
}

/** What there is to say about the connection while it is not simply there. */
export function ConnectionBanner({ square }: { readonly square: Square }) {
  const state = square.connection.value;
  const comeback = square.comeback.value;
  const trouble = square.room.value.trouble.value;

  useEffect(() => {
    if (comeback === undefined) return;
    const timer = setTimeout(() => {
      square.comeback.value = undefined;
    }, COMEBACK_MS);
    return () => clearTimeout(timer);
  }, [comeback, square]);

  const isNamed = square.name.value !== undefined;
  return (
    <div class="banners" role="status">
      {isNamed && state.phase === "connecting" && (
        <p class="banner patient" key="connecting">
          {WORDS.connecting}
        </p>
      )}
      {state.phase === "waiting" && (
        <p class={state.why === "full" ? "banner warning" : "sr-only"} key="waiting">
          {WORDS.absences[state.why]}
        </p>
      )}
      {state.phase === "closed" && (
        <p class="banner warning" key="closed">
          <span>
            {WORDS.ended} {state.reason}
          </span>
          <button type="button" onClick={() => square.tryNow()}>
            {WORDS.connectAgain}
          </button>
        </p>
      )}
      {state.phase === "connected" && comeback !== undefined && (
        <p class={comeback === "with-gaps" ? "banner brief warning" : "banner brief good"} key="comeback">
          {WORDS.comebacks[comeback]}
        </p>
      )}
      {trouble !== undefined && state.phase === "connected" && (
        <p class="banner warning" key="trouble">
          {WORDS.cannotFollow} {trouble}
        </p>
      )}
    </div>
  );
}
