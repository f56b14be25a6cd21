import { WORDS } from "../play/words.ts";
import { Emblem } from "./emblem.tsx";
import type { BoardLine } from "./readout.ts";

interface BoardProps {
  readonly lines: readonly BoardLine[];
  /** Says of each bot that it is one. Default false. */
  readonly marksBots?: boolean;
}

/** Who brought what, the best one first. */
export function Board({ lines, marksBots }: BoardProps) {
  return (
    <table class="board" data-testid="board">
      <caption class="sr-only">{WORDS.board}</caption>
      <thead>
        <tr>
          <th scope="col">{WORDS.player}</th>
          <th scope="col">{WORDS.points}</th>
          <th scope="col">{WORDS.hits}</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.slot} data-mine={line.isMine ? "yes" : undefined}>
            <th scope="row">
              <Emblem team={line.team} />
              <span class="sr-only">{WORDS.teams[line.team]} </span>
              <bdi>{line.name}</bdi>
              {line.isMine ? <span class="you">{WORDS.you}</span> : null}
              {marksBots && line.isBot ? <span class="bot">{WORDS.bot}</span> : null}
            </th>
            <td>{line.points}</td>
            <td>{line.hits}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
