import { untracked, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { hasOlder } from "../room-log.ts";
import type { Room } from "../room.ts";
import type { Square } from "../square.ts";
import { dayLabel, type Divider, timeline } from "../timeline.ts";
import { badge } from "../unread.ts";
import { Icon } from "./icon.tsx";
import { Message } from "./message.tsx";
import { ScrollAnchor } from "./scroll-anchor.ts";

/** Nearer to an end than this counts as being there, in pixels. */
const NEAR_END = 48;

/** Nearer to the top than this loads what is older, in pixels. */
const NEAR_TOP = 400;

interface MessageListProps {
  readonly square: Square;
  readonly room: Room;
}

/** The messages of a room. It stays at the end if it is there, and otherwise where one reads. */
export function MessageList({ square, room }: MessageListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const anchor = useRef(new ScrollAnchor());
  const isAtEnd = useSignal(true);
  const rows = useComputed(() => {
    const me = square.me ?? { user: "", name: square.name.value ?? "" };
    const log = room.log.value;
    const isAtBeginning = log.epoch !== undefined && !hasOlder(log);
    return timeline(log, {
      me,
      unreadAfter: room.unreadAfter.value,
      isAtBeginning,
      markOf: room.markOf.value,
    });
  });

  const settle = () => {
    const element = scroller.current;
    if (element === null) return;
    const isEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
    isAtEnd.value = isEnd && room.log.peek().isAtHead;
    room.hold(!isEnd);
    anchor.current.remember(element);
    if (element.scrollTop < NEAR_TOP) void room.older();
    if (isEnd && !room.log.peek().isAtHead) void room.newer();
    if (isAtEnd.value && document.visibilityState === "visible") room.markRead();
  };

  // After each change of the rows, before the browser paints: stay where the reader is.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    if (isAtEnd.peek()) element.scrollTop = element.scrollHeight;
    else anchor.current.restore(element);
    settle();
  }, [rows.value]);

  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    // A phone's keyboard or a growing composer change the height, not the place; whoever unfolds a message
    // reads it from its beginning, so that is no reason to go to the end.
    const observer = new ResizeObserver((changes) => {
      const isView = changes.some(({ target }) => target === element);
      if (isView && isAtEnd.peek()) element.scrollTop = element.scrollHeight;
      settle();
    });
    observer.observe(element);
    if (element.firstElementChild !== null) observer.observe(element.firstElementChild);
    const onVisible = () => {
      if (document.visibilityState !== "visible") return;
      room.markNew();
      settle();
    };
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      observer.disconnect();
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [room]);

  const toEnd = () => {
    const element = scroller.current;
    if (element === null) return;
    isAtEnd.value = true;
    void room.toEnd().then(() => {
      isAtEnd.value = true;
      element.scrollTop = element.scrollHeight;
      settle();
    });
  };
  const first = useRef(room.saidCount.peek());
  useSignalEffect(() => {
    if (room.saidCount.value !== first.current) untracked(toEnd);
  });

  const unread = room.unread.value;
  const heard = room.heard.value;
  const isConnected = square.connection.value.phase === "connected";
  const { title } = square.infoOf(room.slug);
  const isEmpty = room.log.value.epoch !== undefined && !rows.value.some(({ kind }) => kind === "message");
  return (
    <>
      <div
        class="scroller"
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label={`Messages in #${title}`}
        aria-busy={room.isLoading.value}
        onScroll={settle}
      >
        <ol class="messages" data-testid="message-list">
          {rows.value.map((row) =>
            row.kind === "message" ? (
              <Message key={row.id} row={row} room={room} isConnected={isConnected} />
            ) : (
              <Line key={row.id} row={row} title={title} isEmpty={isEmpty} />
            ),
          )}
        </ol>
      </div>
      {!isAtEnd.value && (
        <button
          type="button"
          class="to-end"
          onClick={() => {
            toEnd();
            // The button goes away; the keyboard goes on in the messages.
            scroller.current?.focus({ preventScroll: true });
          }}
        >
          <Icon name="down" />
          {unread > 0 ? `${badge(unread)} new ${unread === 1 ? "message" : "messages"}` : "Latest messages"}
        </button>
      )}
      <div class="sr-only" aria-live="polite">
        {heard !== undefined &&
          `${[heard.name, room.markOf.peek()(heard.user, heard.name)].filter(Boolean).join(" ")}: ${heard.text}`.slice(
            0,
            300,
          )}
      </div>
    </>
  );
}

interface LineProps {
  readonly row: Divider;
  readonly title: string;
  readonly isEmpty: boolean;
}

function Line({ row, title, isEmpty }: LineProps) {
  switch (row.kind) {
    case "day":
      return (
        <li class="line day" data-row={row.id}>
          <span>{dayLabel(row.at, Date.now())}</span>
        </li>
      );
    case "unread":
      return (
        <li class="line unread" data-row={row.id}>
          <span>New</span>
        </li>
      );
    case "gap":
      return (
        <li class="line loss" data-row={row.id} data-testid="gap">
          <span>
            {row.from === row.to
              ? `Message ${row.from} is no longer available`
              : `Messages ${row.from}–${row.to} are no longer available`}
          </span>
        </li>
      );
    case "restart":
      return (
        <li class="line loss" data-row={row.id} data-testid="restart">
          <span>The server was restarted: what is above is left on this page only.</span>
        </li>
      );
    case "beginning":
      return (
        <li class="beginning" data-row={row.id}>
          <h3>
            <span class="hash" aria-hidden="true">
              #
            </span>
            <bdi>{title}</bdi>
          </h3>
          <p>
            {row.isTrimmed
              ? "Earlier messages are no longer kept."
              : isEmpty
                ? "Nobody has said anything here yet. Somebody has to be first."
                : "Here the conversation begins."}
          </p>
        </li>
      );
  }
}
