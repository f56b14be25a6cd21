import { leader } from "../game/players.ts";
import { WORDS } from "../play/words.ts";
import { Board } from "./board.tsx";
import { Controls, SoundSwitch } from "./controls.tsx";
import { Dialog } from "./dialog.tsx";
import { Emblem } from "./emblem.tsx";
import type { Stage } from "./stage.ts";

interface Props {
  readonly stage: Stage;
}

/** What one sees first: what it is about, and a button to play. */
export function Title({ stage }: Props) {
  return (
    <Dialog titleId="title" kind="title-dialog">
      <div class="papel" aria-hidden="true" />
      <div class="dialog-body">
        <h1 id="title">{WORDS.title}</h1>
        <p class="lead">{WORDS.lead}</p>
        <ol class="steps">
          {(["throw", "gather", "bring"] as const).map((step) => (
            <li key={step}>
              <StepPicture step={step} />
              <span>{WORDS.steps[step]}</span>
            </li>
          ))}
        </ol>
        <p class="hush">{WORDS.rivals}</p>
        <form
          class="start"
          onSubmit={(event) => {
            event.preventDefault();
            const name = new FormData(event.currentTarget).get("name");
            stage.play(typeof name === "string" ? name : "");
          }}
        >
          <label>
            <span>{WORDS.yourName}</span>
            <input name="name" maxLength={16} autocomplete="nickname" defaultValue={stage.name.value} />
          </label>
          <button type="submit" class="primary" data-autofocus data-testid="play">
            {WORDS.play}
          </button>
        </form>
        <SoundSwitch stage={stage} />
        <Controls stage={stage} />
      </div>
    </Dialog>
  );
}

/** The match stands still. */
export function Menu({ stage }: Props) {
  return (
    <Dialog titleId="menu-title" kind="menu-dialog" onEscape={() => stage.resume()}>
      <div class="dialog-body">
        <h1 id="menu-title">{WORDS.paused}</h1>
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
          <button type="button" class="quiet" onClick={() => stage.leave()}>
            {WORDS.leave}
          </button>
        </div>
        <SoundSwitch stage={stage} />
        <Controls stage={stage} />
      </div>
    </Dialog>
  );
}

/** The match is over. */
export function Result({ stage }: Props) {
  const sun = stage.sun.value;
  const moon = stage.moon.value;
  const winner = leader({ sun, moon });
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
        <Board lines={stage.board.value} />
        <div class="row">
          <button
            type="button"
            class="primary"
            data-autofocus
            data-testid="next"
            onClick={() => stage.next()}
          >
            {WORDS.next}
          </button>
          <button type="button" class="quiet" onClick={() => stage.leave()}>
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
