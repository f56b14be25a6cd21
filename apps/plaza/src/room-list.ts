import { isSlug, slugOf, TITLE_LENGTH } from "./slug.ts";
import { WORDS } from "./words.ts";

/** A room as the list shows it. */
export interface RoomInfo {
  readonly slug: string;
  readonly title: string;
  readonly topic: string;
}

/** At most this many rooms are listed and followed at once, the square's own among them. */
export const ROOMS_LIMIT = 50;

/** The rooms that are always there. */
export const SQUARE_ROOMS: readonly RoomInfo[] = [
  { slug: "general", title: "general", topic: WORDS.topics.general },
  { slug: "ideas", title: "ideas", topic: WORDS.topics.ideas },
  { slug: "help", title: "help", topic: WORDS.topics.help },
];

/** The channel over which created rooms are announced. Its name is no slug, so no room can have it. */
export const ROOMS_CHANNEL = "plaza:_rooms";

/** An announcement as it is published, from whoever created the room. */
export interface Announcement {
  readonly slug: string;
  readonly title: string;
}

/** Reads an announcement; anybody may publish anything there, so whatever is not one is `undefined`. */
export function readAnnouncement(data: unknown): Announcement | undefined {
  if (typeof data !== "object" || data === null || !("slug" in data) || !("title" in data)) return undefined;
  const { slug, title } = data;
  if (typeof slug !== "string" || !isSlug(slug) || typeof title !== "string") return undefined;
  const plain = cleanTitle(title);
  // A title must lead to its own address: #help cannot be announced under another room's name.
  return slugOf(plain) === slug ? { slug, title: plain } : { slug, title: slug };
}

/** A title on one line without control or direction characters, at most `TITLE_LENGTH` code units long. */
export function cleanTitle(title: string): string {
  return title
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim()
    .slice(0, TITLE_LENGTH)
    .replace(/[\uD800-\uDBFF]$/, "") // half of a character that was cut
    .trim();
}

/** Adds a room to the list, unless it is there or the list is full. The first title announced stays. */
export function listed(rooms: readonly RoomInfo[], { slug, title }: Announcement): readonly RoomInfo[] {
  const known = rooms.findIndex((room) => room.slug === slug);
  const room = rooms[known];
  if (room !== undefined) {
    // A room that was entered by its address only has no better title yet.
    return room.title === slug && title !== slug && known >= SQUARE_ROOMS.length
      ? rooms.with(known, { ...room, title })
      : rooms;
  }
  if (rooms.length >= ROOMS_LIMIT) return rooms;
  return [...rooms, { slug, title, topic: "" }];
}
