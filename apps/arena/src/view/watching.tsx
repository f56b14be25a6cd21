import { SPEEDS } from "../play/source.ts";
import { LOCALE, WORDS } from "../play/words.ts";
import type { Lobby } from "./lobby.ts";

/** What whoever does not play can do: look at another player, and steer what was recorded. */
export function Watching({ lobby }: { readonly lobby: Lobby }) {
  const { stage } = lobby;
  const mode = stage.mode.value;
  if (stage.screen.value !== "match" || (mode !== "watch" && mode !== "replay")) return null;
  return (
    <section class="watching" aria-label={mode === "replay" ? WORDS.network.replay : WORDS.network.watching}>
      <p class="whom">
        {mode === "replay" ? `${WORDS.network.replay} ·` : WORDS.network.watching}{" "}
        <strong data-testid="followed">
          <bdi>{stage.followed.value}</bdi>
        </strong>
      </p>
      {mode === "replay" ? <Player lobby={lobby} /> : null}
      <button type="button" class="quiet" data-testid="follow" onClick={() => stage.follow()}>
        {WORDS.network.nextPlayer}
      </button>
      {mode === "replay" ? (
        <button type="button" class="primary" data-testid="to-match" onClick={() => lobby.toMatch()}>
          {WORDS.network.toMatch}
        </button>
      ) : (
        <button type="button" class="quiet" data-testid="stop-watching" onClick={() => lobby.leave()}>
          {WORDS.network.stopWatching}
        </button>
      )}
    </section>
  );
}

function Player({ lobby }: { readonly lobby: Lobby }) {
  const isRunning = lobby.isRunning.value;
  if (lobby.hasRunOut.value) return <p role="status">{WORDS.network.ranOut}</p>;
  const number = new Intl.NumberFormat(LOCALE);
  return (
    <>
      <button
        type="button"
        class="quiet"
        data-testid="pause"
        aria-pressed={!isRunning}
        onClick={() => lobby.setRunning(!isRunning)}
      >
        {isRunning ? WORDS.network.pause : WORDS.network.run}
      </button>
      <div class="speeds" role="group" aria-label={WORDS.network.speed}>
        {SPEEDS.map((speed) => (
          <button
            key={speed}
            type="button"
            class="quiet"
            data-testid={`speed-${speed}`}
            aria-pressed={lobby.speed.value === speed}
            onClick={() => lobby.setSpeed(speed)}
          >
            {number.format(speed)}×
          </button>
        ))}
      </div>
    </>
  );
}
