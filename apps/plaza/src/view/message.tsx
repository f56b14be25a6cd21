import { Component } from "preact";
import { linkify } from "../linkify.ts";
import type { Room } from "../room.ts";
import type { MessageRow } from "../timeline.ts";
import { lookOf } from "../tint.ts";
import { folded } from "../what-was-said.ts";
import { LOCALE, WORDS } from "../words.ts";
import { Mark } from "./mark.tsx";
import { Tile } from "./tile.tsx";

const CLOCK = new Intl.DateTimeFormat(LOCALE, { hour: "numeric", minute: "2-digit" });
const WHOLE = new Intl.DateTimeFormat(LOCALE, { dateStyle: "full", timeStyle: "short" });

interface MessageProps {
  readonly row: MessageRow;
  readonly room: Room;
  /** What to say of a message that is on its way. */
  readonly waiting: string;
}

/** One message. It is drawn again only when something in its row has changed: a room may have hundreds. */
export class Message extends Component<MessageProps, { isUnfolded: boolean }> {
  override state = { isUnfolded: false };

  override shouldComponentUpdate(next: MessageProps, state: { isUnfolded: boolean }): boolean {
    const { row } = this.props;
    return (
      state.isUnfolded !== this.state.isUnfolded ||
      next.row.said !== row.said ||
      next.row.isFirst !== row.isFirst ||
      next.row.isMine !== row.isMine ||
      next.row.name !== row.name ||
      next.row.mark !== row.mark ||
      next.row.offset !== row.offset ||
      next.row.delivery !== row.delivery ||
      (row.delivery === "pending" && next.waiting !== this.props.waiting) ||
      next.row.at !== row.at
    );
  }

  override render() {
    const { row, room, waiting } = this.props;
    const { user, name, mark, at, said, isFirst, isMine, offset, delivery, key } = row;
    const time = (
      <time dateTime={new Date(at).toISOString()} title={WHOLE.format(at)}>
        {CLOCK.format(at)}
      </time>
    );
    return (
      <li
        class="message"
        data-testid="message"
        data-row={row.id}
        data-offset={offset}
        data-delivery={delivery}
        data-first={isFirst ? "yes" : "no"}
        data-mine={isMine ? "yes" : "no"}
      >
        <div class="margin">{isFirst ? <Tile user={user} /> : time}</div>
        <div class="words">
          {isFirst && (
            <p class="byline">
              <bdi class="author" data-tint={lookOf(user).tint} title={user}>
                {name}
              </bdi>
              <Mark user={user} mark={mark} />
              {isMine && <span class="you">{WORDS.you}</span>}
              {time}
            </p>
          )}
          {this.#said(said)}
          {delivery === "pending" && <p class="delivery">{waiting}</p>}
          {delivery === "failed" && key !== undefined && (
            <p class="delivery problem" role="alert">
              {row.problem}
              <button type="button" onClick={() => room.retry(key)}>
                {WORDS.sendAgain}
              </button>
              <button type="button" onClick={() => room.discard(key)}>
                {WORDS.discard}
              </button>
            </p>
          )}
        </div>
      </li>
    );
  }

  #said({ kind, text }: MessageRow["said"]) {
    const fold = this.state.isUnfolded ? undefined : folded(text);
    const shown = fold?.start ?? text;
    const unfold = fold !== undefined && (
      <button type="button" class="unfold" onClick={() => this.setState({ isUnfolded: true })}>
        {fold.showAll}
      </button>
    );
    if (kind === "json") {
      return (
        <>
          <pre class="json" data-testid="message-text" tabIndex={0}>
            {shown}
          </pre>
          {unfold}
        </>
      );
    }
    return (
      <>
        <p class="said" data-testid="message-text" dir="auto">
          {linkify(shown).map((piece, index) =>
            piece.kind === "link" ? (
              // `dir` isolates: an override in the text before would show the address from right to left.
              <a key={index} dir="ltr" href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
                {piece.text}
              </a>
            ) : (
              piece.text
            ),
          )}
          {fold !== undefined && "…"}
        </p>
        {unfold}
      </>
    );
  }
}
