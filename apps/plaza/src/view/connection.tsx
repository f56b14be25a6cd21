import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Absence } from "../link.ts";
import type { Comeback, Square } from "../square.ts";

/**
 * How long the news of a comeback stays, in milliseconds. What was lost is also said between the messages,
 * and stays there.
 */
const COMEBACK_MS = 5_000;

const WORDS = {
  connecting: "Connecting",
  connected: "Connected",
  waiting: "Offline",
  closed: "Disconnected",
} as const;

const ABSENCES: Readonly<Record<Absence, string>> = {
  lost: "Connection lost.",
  unreachable: "The square cannot be reached.",
  full: "The square is full, or your network has too many visitors.",
};

const COMEBACKS: Readonly<Record<Comeback, string>> = {
  "caught-up": "Back again. You are caught up.",
  "with-gaps": "Back again. Some messages are missing.",
  restarted: "Back again.", // the line in the room says the rest
};

/** The state of the connection in one word, always there. */
export function ConnectionState({ square }: { readonly square: Square }) {
  const { phase } = square.connection.value;
  const isNamed = square.name.value !== undefined;
  return (
    <p class="connection" data-testid="connection-state" data-state={phase}>
      <span class="lamp" aria-hidden="true" />
      <span class="connection-word">{isNamed ? WORDS[phase] : "Not connected yet"}</span>
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
          Connecting…
        </p>
      )}
      {state.phase === "waiting" && (
        <p class="banner warning" key="waiting">
          <span>
            {ABSENCES[state.why]} <Countdown until={state.retryAt} />
          </span>
          <button type="button" onClick={() => square.tryNow()}>
            Try now
          </button>
        </p>
      )}
      {state.phase === "closed" && (
        <p class="banner warning" key="closed">
          <span>The server has ended this session: {state.reason}</span>
          <button type="button" onClick={() => square.tryNow()}>
            Connect again
          </button>
        </p>
      )}
      {state.phase === "connected" && comeback !== undefined && (
        <p class={comeback === "with-gaps" ? "banner brief warning" : "banner brief good"} key="comeback">
          {COMEBACKS[comeback]}
        </p>
      )}
      {trouble !== undefined && state.phase === "connected" && (
        <p class="banner warning" key="trouble">
          This room cannot be followed: {trouble}
        </p>
      )}
    </div>
  );
}

/** Counts down for the eye; a screen reader hears only that it will be tried again. */
function Countdown({ until }: { readonly until: number }) {
  const now = useSignal(performance.now());
  useEffect(() => {
    now.value = performance.now();
    const timer = setInterval(() => {
      now.value = performance.now();
    }, 250);
    return () => clearInterval(timer);
  }, [until, now]);
  const seconds = Math.max(0, Math.ceil((until - now.value) / 1000));
  return (
    <>
      <span aria-hidden="true">{seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…"}</span>
      <span class="sr-only">Trying again soon.</span>
    </>
  );
}
