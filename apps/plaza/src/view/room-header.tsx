import type { Square } from "../square.ts";
import { WORDS } from "../words.ts";
import { ConnectionState } from "./connection.tsx";
import { Icon } from "./icon.tsx";

/** What lies over the room on a narrow screen. */
export type Drawer = "rooms" | "people";

interface RoomHeaderProps {
  readonly square: Square;
  readonly onDrawer: (which: Drawer) => void;
}

/**
 * Above the messages: which room this is, how the connection is, and on narrow screens the way to the sides.
 */
export function RoomHeader({ square, onDrawer }: RoomHeaderProps) {
  const room = square.room.value;
  const { title, topic } = square.infoOf(room.slug);
  const elsewhere = square.unread.value - room.unread.value;
  const people = room.total.value;
  return (
    <header class="room-header">
      <button type="button" class="bare only-narrow" onClick={() => onDrawer("rooms")}>
        <Icon name="menu" />
        <span class="sr-only">{elsewhere > 0 ? WORDS.roomsUnread(elsewhere) : WORDS.rooms}</span>
        {elsewhere > 0 && <span class="dot" aria-hidden="true" />}
      </button>
      <div class="room-name">
        <h1>
          <span class="hash" aria-hidden="true">
            #
          </span>
          <bdi>{title}</bdi>
        </h1>
        {topic !== "" && <p class="topic">{topic}</p>}
      </div>
      <ConnectionState square={square} />
      <button type="button" class="bare only-not-wide people-button" onClick={() => onDrawer("people")}>
        <Icon name="people" />
        <span aria-hidden="true">{people}</span>
        <span class="sr-only">{WORDS.peopleHere(people)}</span>
      </button>
    </header>
  );
}
