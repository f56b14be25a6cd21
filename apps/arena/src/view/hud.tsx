import { useSignal } from "@preact/signals";
import { NUMBERS } from "../game/numbers.ts";
import { WORDS } from "../play/words.ts";
import { Emblem } from "./emblem.tsx";
import { Board } from "./board.tsx";
import { How } from "./how.tsx";
import { NetGraph } from "./net-graph.tsx";
import type { Lobby } from "./lobby.ts";
import type { Stage } from "./stage.ts";
import { Watching } from "./watching.tsx";

/** What stands over the picture in a match: scores, clock, banner, buttons. */
export function Hud({ lobby }: { readonly lobby: Lobby }) {
  const { stage } = lobby;
  const { sun, moon, seconds, phase, isDouble, banner, mine, board, team, canDash } = stage.readout;
  const isPlaying = stage.mode.value === "practice" || stage.mode.value === "online";
  const isCounting = phase.value === "countdown";
  return (
    <div class="hud" data-double={isDouble.value ? "yes" : undefined}>
      <div class="scores">
        <Score team="sun" points={sun.value} />
        <p class="clock" data-testid="clock">
          <span aria-hidden="true">
            {clock(phase.value === "play" ? seconds.value : isCounting ? NUMBERS.match.lasts : 0)}
          </span>
          {isDouble.value ? <span class="times">×2</span> : null}
        </p>
        <Score team="moon" points={moon.value} />
      </div>
      <div class="tools">
        {stage.net.value === undefined ? null : (
          <button
            type="button"
            class="tool"
            aria-label={WORDS.actions.net}
            aria-expanded={stage.isNetOpen.value}
            data-testid="net-button"
            onClick={() => stage.toggleNet()}
          >
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d="M3 13h4l3-8 4 14 3-6h4" />
            </svg>
          </button>
        )}
        <button type="button" class="tool" aria-label={WORDS.board} onClick={() => toggleBoard(stage)}>
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M5 20V12h4v8M10 20V5h4v15M15 20V9h4v11" />
          </svg>
        </button>
        <button
          type="button"
          class="tool"
          aria-label={WORDS.menu}
          data-testid="menu-button"
          onClick={() => stage.openMenu()}
        >
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 7h16M4 12h16M4 17h16" />
          </svg>
        </button>
      </div>
      {isCounting ? (
        <p class="banner big" aria-hidden="true">
          {seconds.value}
          {isPlaying && team.value !== undefined ? (
            <span class="side" data-team={team.value} data-testid="side">
              <Emblem team={team.value} />
              {WORDS.sides[team.value]}
            </span>
          ) : null}
        </p>
      ) : banner.value !== "" ? (
        <p class="banner" data-testid="banner">
          {banner.value}
        </p>
      ) : null}
      {isPlaying && stage.isNew.value && mine.value === "" && phase.value !== "over" ? (
        <How stage={stage} />
      ) : null}
      {mine.value === "" ? null : (
        <p class="mine" data-state={mine.value}>
          {WORDS[mine.value]}
        </p>
      )}
      {stage.net.value !== undefined && stage.isNetOpen.value ? (
        <NetGraph
          ring={stage.net.value.ring}
          link={stage.link.value}
          onLink={(link) => stage.setLink(link)}
        />
      ) : null}
      {stage.isBoardOpen.value && (phase.value !== "over" || stage.mode.value === "replay") ? (
        <div class="board-panel">
          <Board lines={board.value} />
        </div>
      ) : null}
      {lobby.isReturning.value ? (
        <p class="returning" role="status" data-testid="returning">
          {WORDS.network.returning}
        </p>
      ) : null}
      <Alone lobby={lobby} />
      <Watching lobby={lobby} />
      <button
        type="button"
        class="dash"
        data-waits={canDash.value ? undefined : "yes"}
        tabIndex={-1}
        aria-hidden="true"
        onPointerDown={(event) => {
          event.preventDefault();
          event.currentTarget.setPointerCapture(event.pointerId);
          stage.hands.sticks.dash(event.pointerId);
        }}
        onPointerUp={(event) => stage.hands.sticks.up(event.pointerId)}
        onPointerCancel={(event) => stage.hands.sticks.up(event.pointerId)}
      >
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M4 6l7 6-7 6M12 6l7 6-7 6" />
        </svg>
      </button>
    </div>
  );
}

/** In a private match that nobody else has joined: a button that copies its link. */
function Alone({ lobby }: { readonly lobby: Lobby }) {
  const { stage, invitation, invited } = lobby;
  const isCopied = useSignal(false);
  const people = stage.readout.board.value.filter(({ isBot }) => !isBot).length;
  const isPrivate = stage.mode.value === "online" && invited.value !== undefined && invitation.value !== "";
  if (!isPrivate || people !== 1 || stage.isBoardOpen.value || stage.readout.phase.value === "over")
    return null;
  return (
    <button
      type="button"
      class="alone"
      data-testid="invite-friends"
      onClick={() => {
        // Where the page may not copy, the menu has the link to be copied by hand.
        const copying =
          navigator.clipboard?.writeText(invitation.value) ?? Promise.reject(new Error("no clipboard"));
        copying.then(
          () => {
            isCopied.value = true;
          },
          () => stage.openMenu(),
        );
      }}
    >
      {isCopied.value ? WORDS.network.copied : WORDS.network.inviteFriends}
    </button>
  );
}

function toggleBoard(stage: Stage): void {
  stage.isBoardOpen.value = !stage.isBoardOpen.value;
}

function Score({ team, points }: { readonly team: "sun" | "moon"; readonly points: number }) {
  return (
    <p class="score" data-team={team} data-testid={`score-${team}`}>
      <Emblem team={team} />
      <span class="team-name">{WORDS.teams[team]}</span> <strong>{points}</strong>
    </p>
  );
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
