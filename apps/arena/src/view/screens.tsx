import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { leader } from "../game/players.ts";
import { WORDS } from "../play/words.ts";
import { Board } from "./board.tsx";
import { Controls, SoundSwitch } from "./controls.tsx";
import { Dialog } from "./dialog.tsx";
import { Emblem } from "./emblem.tsx";
import type { Lobby } from "./lobby.ts";

interface Props {
  readonly lobby: Lobby;
}

/** What one sees first: what it is about, and a button to play. */
export function Title({ lobby }: Props) {
  const { stage } = lobby;
  const { reason, invited } = lobby;
  const isEntering = lobby.isEntering.value;
  const form = useRef<HTMLFormElement>(null);
  const named = (begin: () => void) => (): void => {
    const name = form.current === null ? null : new FormData(form.current).get("name");
    stage.rename(typeof name === "string" ? name : "");
    begin();
  };
  return (
    <Dialog titleId="title" kind="title-dialog">
      <div class="papel" aria-hidden="true" />
      <div class="dialog-body">
        <h1 id="title">{WORDS.title}</h1>
        <p class="lead">{WORDS.lead}</p>
        {reason.value === undefined ? null : (
          <p class="reason" role="alert" data-testid="reason" data-reason={reason.value}>
            {WORDS.reasons[reason.value]}
          </p>
        )}
        <ol class="steps">
          {(["throw", "gather", "bring"] as const).map((step) => (
            <li key={step}>
              <StepPicture step={step} />
              <span>{WORDS.steps[step]}</span>
            </li>
          ))}
        </ol>
        <p class="hush">{WORDS.rivals}</p>
        {invited.value === undefined ? null : <p data-testid="invited">{WORDS.network.invited}</p>}
        <form
          ref={form}
          class="start"
          onSubmit={(event) => {
            event.preventDefault();
            named(() => lobby.play())();
          }}
        >
          <label>
            <span>{WORDS.yourName}</span>
            <input name="name" maxLength={16} autocomplete="nickname" defaultValue={stage.name.value} />
          </label>
          <button type="submit" class="primary" data-autofocus data-testid="play" aria-disabled={isEntering}>
            {isEntering ? WORDS.network.entering : WORDS.play}
          </button>
        </form>
        <div class="row ways">
          <button type="button" class="quiet" data-testid="practice" onClick={named(() => lobby.practice())}>
            {WORDS.practice}
          </button>
          <button type="button" class="quiet" data-testid="watch" onClick={named(() => lobby.watch())}>
            {WORDS.watch}
          </button>
          {invited.value === undefined ? (
            <button
              type="button"
              class="quiet"
              data-testid="play-privately"
              onClick={named(() => lobby.playPrivately())}
            >
              {WORDS.playPrivately}
            </button>
          ) : null}
        </div>
        <p class="sr-only" role="status">
          {isEntering ? WORDS.network.entering : ""}
        </p>
        <SoundSwitch stage={stage} />
        <Controls stage={stage} />
      </div>
    </Dialog>
  );
}

/** A match against bots stands still; one on the server goes on, and the menu says who is there. */
export function Menu({ lobby }: Props) {
  const { stage } = lobby;
  const isOnline = stage.mode.value !== "practice";
  return (
    <Dialog titleId="menu-title" kind="menu-dialog" onEscape={() => stage.resume()}>
      <div class="dialog-body">
        <h1 id="menu-title">{isOnline ? WORDS.menu : WORDS.paused}</h1>
        {isOnline ? <p class="hush">{WORDS.network.goesOn}</p> : null}
        <div class="row">
          <button
            type="button"
            class="primary"
            data-autofocus
            data-testid="resume"
            onClick={() => stage.resume()}
          >
            {WORDS.resume}
          </button>
          <button type="button" class="quiet" data-testid="leave" onClick={() => lobby.leave()}>
            {WORDS.leave}
          </button>
        </div>
        {isOnline ? <Here lobby={lobby} /> : null}
        <SoundSwitch stage={stage} />
        <Controls stage={stage} />
      </div>
    </Dialog>
  );
}

/** Who is in the match, and a link to ask others in. */
function Here({ lobby }: Props) {
  const lines = lobby.stage.readout.board.value;
  const bots = lines.filter(({ isBot }) => isBot).length;
  const { invitation, watchers } = lobby;
  const isCopied = useSignal(false);
  return (
    <>
      <p data-testid="here">{WORDS.network.here(lines.length - bots, bots, watchers.value)}</p>
      <Board lines={lines} marksBots />
      <div class="start">
        <label>
          <span>{WORDS.network.link}</span>
          <input
            readOnly
            value={invitation.value}
            data-testid="invitation"
            onFocus={(event) => event.currentTarget.select()}
          />
        </label>
        <button
          type="button"
          class="quiet"
          data-testid="invite"
          onClick={(event) => {
            event.currentTarget.closest("div")?.querySelector("input")?.select();
            // Where it may not, the link is selected: it can be copied by hand.
            navigator.clipboard?.writeText(invitation.value).then(
              () => {
                isCopied.value = true;
              },
              () => {},
            );
          }}
        >
          {isCopied.value ? WORDS.network.copied : WORDS.network.invite}
        </button>
      </div>
    </>
  );
}

/** The match is over. */
export function Result({ lobby }: Props) {
  const { stage } = lobby;
  const sun = stage.readout.sun.value;
  const moon = stage.readout.moon.value;
  const winner = leader({ sun, moon });
  const isOnline = stage.mode.value !== "practice";
  const mine = stage.readout.board.value.find(({ isMine }) => isMine);
  return (
    <Dialog titleId="result-title" kind="result-dialog">
      <div class="papel" aria-hidden="true" data-team={winner} />
      <div class="dialog-body">
        <h1 id="result-title">{winner === undefined ? WORDS.draw : WORDS.wins[winner]}</h1>
        <p class="final">
          <Emblem team="sun" />
          <span class="sr-only">{WORDS.teams.sun}</span> <strong>{sun}</strong>
          <span aria-hidden="true">–</span>
          <strong>{moon}</strong> <span class="sr-only">{WORDS.teams.moon}</span>
          <Emblem team="moon" />
        </p>
        {mine === undefined ? null : (
          <p data-testid="share">
            <strong>
              {WORDS.outcomes[winner === undefined ? "even" : winner === mine.team ? "won" : "lost"]}
            </strong>{" "}
            {WORDS.share(mine.points, mine.hits)}
          </p>
        )}
        <Board lines={stage.readout.board.value} />
        {isOnline ? (
          <p class="hush" data-testid="next-in">
            {WORDS.network.nextIn(stage.readout.seconds.value)}
          </p>
        ) : null}
        {lobby.isUnrecorded.value ? <p role="status">{WORDS.network.unrecorded}</p> : null}
        <div class="row">
          {isOnline ? (
            lobby.isUnrecorded.value ? null : (
              <button
                type="button"
                class="primary"
                data-autofocus
                data-testid="watch-again"
                onClick={() => void lobby.watchAgain()}
              >
                {WORDS.network.watchAgain}
              </button>
            )
          ) : (
            <button
              type="button"
              class="primary"
              data-autofocus
              data-testid="next"
              onClick={() => stage.next()}
            >
              {WORDS.next}
            </button>
          )}
          <button type="button" class="quiet" data-testid="leave" onClick={() => lobby.leave()}>
            {WORDS.leave}
          </button>
        </div>
      </div>
    </Dialog>
  );
}

function StepPicture({ step }: { readonly step: "throw" | "gather" | "bring" }) {
  return (
    <svg class="step-picture" viewBox="0 0 48 48" aria-hidden="true" focusable="false">
      {step === "throw" ? (
        <>
          <path
            d="M30 4 33 14 43 12 37 20 45 26 35 28 36 38 28 32 21 39 21 29 11 27 19 21 14 12 24 14Z"
            class="pink"
          />
          <circle cx="28.500" cy="21.500" r="6" class="orange" />
          <ellipse cx="8" cy="40" rx="6" ry="4.500" transform="rotate(-35 8 40)" class="egg" />
        </>
      ) : step === "gather" ? (
        <>
          <path d="M6 16 18 24 6 32ZM42 16 30 24 42 32Z" class="teal" />
          <circle cx="24" cy="24" r="10" class="teal" />
          <path d="M22 15h4v18h-4Z" class="paper" />
        </>
      ) : (
        <>
          <path d="M8 22H40L36 42H12Z" class="orange" />
          <path d="M12 22a12 14 0 0 1 24 0" class="handle" />
          <path d="M10 29H38M11.500 36H36.500M18 22V42M24 22V42M30 22V42" class="weave" />
        </>
      )}
    </svg>
  );
}
