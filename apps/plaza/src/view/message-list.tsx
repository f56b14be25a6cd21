import { untracked, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Room } from "../room.ts";
import type { Square } from "../square.ts";
import { dayLabel, type Divider, timeline } from "../timeline.ts";
import { badge } from "../unread.ts";
import { WORDS } from "../words.ts";
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
    return timeline(room.log.value, {
      me,
      unreadAfter: room.unreadAfter.value,
      followsLoss: room.mark.value?.followsLoss === true,
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

  const isConnected = square.connection.value.phase === "connected";

  // After each change of the rows, before the browser paints: stay where the reader is. And once connected
  // again, load what could not be loaded.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    if (isAtEnd.peek()) element.scrollTop = element.scrollHeight;
    else anchor.current.restore(element);
    settle();
  }, [rows.value, isConnected]);

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
  const toBeginning = () => {
    const element = scroller.current;
    if (element === null) return;
    isAtEnd.value = false;
    anchor.current.toTop();
    void room.toBeginning();
    anchor.current.restore(element);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== scroller.current || event.altKey || event.shiftKey) return;
    if (event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    if (event.key === "Home") toBeginning();
    else toEnd();
  };
  const first = useRef(room.saidCount.peek());
  useSignalEffect(() => {
    if (room.saidCount.value !== first.current) untracked(toEnd);
  });

  const unread = room.unread.value;
  const heard = room.heard.value;
  const away = square.isKeeping.value ? WORDS.goesOut : WORDS.goesOutOpen;
  const waiting = isConnected ? WORDS.sending : away;
  const { title } = square.infoOf(room.slug);
  return (
    <>
      <div
        class="scroller"
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label={WORDS.messagesIn(title)}
        aria-busy={room.isLoading.value}
        onScroll={settle}
        onKeyDown={onKeyDown}
      >
        <ol class="messages" data-testid="message-list">
          {rows.value.map((row) =>
            row.kind === "message" ? (
              <Message key={row.id} row={row} room={room} waiting={waiting} />
            ) : (
              <Line key={row.id} row={row} title={title} room={room} />
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
          {unread > 0 ? WORDS.newMessages(badge(unread)) : WORDS.latest}
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
  readonly room: Room;
}

function Line({ row, title, room }: LineProps) {
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
          <span>{WORDS.newLineHere}</span>
        </li>
      );
    case "gap":
      return (
        <li class="line loss" data-row={row.id} data-testid="gap">
          <span>{WORDS.gone(row.from, row.to)}</span>
        </li>
      );
    case "restart":
      return (
        <li class="line loss" data-row={row.id} data-testid="restart">
          <span>{WORDS.restarted}</span>
        </li>
      );
    case "older":
      return (
        <li class="line older" data-row={row.id}>
          <button type="button" onClick={() => void room.older()}>
            {room.isLoading.value ? WORDS.loadingOlder : WORDS.older}
          </button>
        </li>
      );
    case "beginning":
      return (
        <li class="beginning" data-row={row.id} data-testid="beginning" data-what={row.what}>
          <h2>
            <span class="hash" aria-hidden="true">
              #
            </span>
            <bdi>{title}</bdi>
          </h2>
          <p>{WORDS.beginnings[row.what]}</p>
        </li>
      );
  }
}
