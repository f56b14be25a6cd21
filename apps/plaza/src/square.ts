import { computed, signal } from "@preact/signals";
import {
  type Memory,
  randomHex,
  recallMarks,
  recallName,
  rememberMark,
  rememberName,
  secretToken,
} from "./identity.ts";
import type { Dial, Drafts, LeftMessage, Link, LinkState } from "./link.ts";
import { Room, type RoomContext } from "./room.ts";
import {
  type Announcement,
  cleanTitle,
  listed,
  readAnnouncement,
  type RoomInfo,
  ROOMS_CHANNEL,
  ROOMS_LIMIT,
  SQUARE_ROOMS,
} from "./room-list.ts";
import { isSlug, slugOf, slugOfChannel } from "./slug.ts";
import { cleanName } from "./what-was-said.ts";
import { WORDS } from "./words.ts";

/** What to say about a connection that has come back. */
export type Comeback = "caught-up" | "with-gaps" | "restarted";

/**
 * A connection that is away for no longer than this is not spoken of, in milliseconds: a restarted server is
 * back by then.
 */
export const QUIET_MS = 8_000;

/** What the square needs of its surroundings. */
export interface SquareOptions {
  readonly memory: Memory;
  readonly dial: Dial;
  readonly drafts: Drafts;
  /** Runs something soon; many calls at once are one redraw. */
  readonly soon: (run: () => void) => void;
}

/** The whole chat: who one is, the connection, the rooms. The views draw it and call its verbs. */
export class Square {
  /** The name one goes by; `undefined` before the first visit's dialog. */
  readonly name = signal<string | undefined>(undefined);
  /** What is to be said of the connection: it may be away for `QUIET_MS` before anything is. */
  readonly connection = signal<LinkState>({ phase: "connecting" });
  /** True as long as this browser keeps what is not sent yet. */
  readonly isKeeping = signal(true);
  /** Set when a lost connection is back, until the view has said so for a while. */
  readonly comeback = signal<Comeback | undefined>(undefined);
  readonly rooms = signal<readonly RoomInfo[]>(SQUARE_ROOMS);
  readonly slug = signal("general");
  readonly room = computed(() => this.#roomOf(this.slug.value));
  readonly unread = computed(() =>
    this.rooms.value.reduce((sum, { slug }) => sum + this.#roomOf(slug).unread.value, 0),
  );

  readonly #options: SquareOptions;
  readonly #token: string;
  readonly #user = signal<string | undefined>(undefined);
  /** How far the rooms were read when this page began. */
  readonly #remembered;
  readonly #rooms = new Map<string, Room>();
  /** The rooms that the log of announcements has, as long as it is the same log. */
  readonly #announced = new Set<string>();
  #announcedIn: string | undefined;
  #link: Link | undefined;
  #dials = 0;
  /** The connection as it is. */
  #state: LinkState = { phase: "connecting" };
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SquareOptions) {
    this.#options = options;
    this.#token = secretToken(options.memory);
    this.#remembered = recallMarks(options.memory);
    this.name.value = recallName(options.memory);
    for (const info of SQUARE_ROOMS) this.#roomOf(info.slug);
    this.room.value.show();
  }

  /** Begins with the name chosen last time, if there is one. */
  begin(): void {
    if (this.name.value !== undefined) this.#dial();
  }

  /** Another tab of this browser has written to the memory: goes by its name, and has read what it has. */
  recall(): void {
    const { memory } = this.#options;
    const name = recallName(memory);
    if (name !== undefined) this.enter(name);
    for (const [slug, mark] of recallMarks(memory)) this.#rooms.get(slug)?.readElsewhere(mark);
  }

  /** One's user id and name, once the server has given the id. */
  get me(): { readonly user: string; readonly name: string } | undefined {
    const user = this.#user.value;
    const name = this.name.value;
    return user === undefined || name === undefined ? undefined : { user, name };
  }

  /** Enters the square under a name, or goes by another name from now on. */
  enter(name: string): void {
    const clean = cleanName(name);
    if (clean === "") return;
    if (this.#link !== undefined && clean === this.name.value) return;
    this.name.value = clean;
    rememberName(this.#options.memory, clean);
    this.#dial();
  }

  /** Begins a session. The name is told at its beginning, so another name is another session. */
  #dial(): void {
    const name = this.name.value;
    if (name === undefined) return;
    const previous = this.#link;
    this.#link = undefined;
    previous?.close();
    this.#stateChanged({ phase: "connecting" });
    const number = ++this.#dials;
    const link = this.#options.dial(
      { token: this.#token, name },
      {
        state: (state) => {
          if (number === this.#dials) this.#stateChanged(state);
        },
        left: (message) => this.#resume(message),
        notKept: () => {
          this.isKeeping.value = false;
        },
      },
    );
    this.#link = link;
    this.#followRoomList(link);
    for (const room of this.#rooms.values()) {
      this.#follow(room);
      room.deliverInterrupted();
    }
  }

  #stateChanged(state: LinkState): void {
    this.#state = state;
    if (state.phase === "connected") this.#user.value = state.user;
    const isAway = state.phase === "connecting" || state.phase === "waiting";
    if (isAway && this.connection.value.phase === "connected") {
      this.#quiet ??= setTimeout(() => this.#show(), QUIET_MS);
    } else this.#show();
  }

  /** Says how the connection is. */
  #show(): void {
    clearTimeout(this.#quiet);
    this.#quiet = undefined;
    const before = this.connection.value;
    this.connection.value = this.#state;
    if (this.#state.phase === "waiting") this.comeback.value = undefined;
    if (this.#state.phase === "connected" && before.phase === "waiting") this.comeback.value = "caught-up";
  }

  #resume(message: LeftMessage): void {
    const slug = slugOfChannel(message.channel);
    if (slug === undefined) return; // an announcement: nobody waits for it
    this.#list({ slug, title: slug });
    this.#roomOf(slug).resume(message);
  }

  #follow(room: Room): void {
    if (this.#link !== undefined) room.follow(this.#watched(room, this.#link));
  }

  /** The link as a room sees it: gaps and new logs also tell the square how good the comeback was. */
  #watched(room: Room, link: Link): Link {
    return {
      ...bound(link),
      open: (channel, options, events) =>
        link.open(channel, options, {
          ...events,
          began: (beginning) => {
            const before = room.log.value.epoch;
            events.began(beginning);
            if (before !== undefined && before !== beginning.epoch) this.#cameBack("restarted");
          },
          gap: (gap) => {
            events.gap(gap);
            this.#cameBack("with-gaps");
          },
        }),
    };
  }

  #cameBack(how: Comeback): void {
    if (this.comeback.value !== undefined && this.comeback.value !== "restarted") this.comeback.value = how;
  }

  #followRoomList(link: Link): void {
    link.open(
      ROOMS_CHANNEL,
      { last: 500 },
      {
        began: ({ epoch }) => {
          if (epoch !== this.#announcedIn) this.#announced.clear();
          this.#announcedIn = epoch;
        },
        published: (publications) => {
          for (const { data } of publications) {
            const announcement = readAnnouncement(data);
            if (announcement === undefined) continue;
            this.#announced.add(announcement.slug);
            this.#list(announcement);
          }
        },
        gap: () => {},
        refused: () => {},
      },
    );
  }

  #list(announcement: Announcement): void {
    const before = this.rooms.value;
    this.rooms.value = listed(before, announcement);
    if (this.rooms.value.length > before.length) this.#follow(this.#roomOf(announcement.slug));
  }

  /** Goes to a room; one that nobody has created is an empty room until somebody speaks. */
  visit(slug: string): void {
    if (!isSlug(slug) || slug === this.slug.value) return;
    if (!this.rooms.value.some((room) => room.slug === slug)) {
      if (this.rooms.value.length >= ROOMS_LIMIT) return;
      this.#list({ slug, title: slug });
    }
    this.room.value.hide();
    this.slug.value = slug;
    this.room.value.show();
  }

  /**
   * Creates a room, or finds the one with that address, and goes there. Returns what is wrong with the title.
   */
  create(title: string): string | undefined {
    const plain = cleanTitle(title);
    const slug = slugOf(plain);
    if (slug === undefined) return WORDS.needsName;
    const isKnown = this.rooms.value.some((room) => room.slug === slug);
    if (!isKnown && this.rooms.value.length >= ROOMS_LIMIT) {
      return WORDS.tooManyRooms(ROOMS_LIMIT);
    }
    this.#list({ slug, title: plain });
    this.visit(slug);
    this.#announce(slug);
    return undefined;
  }

  /** The room above (-1) or below (+1) in the list, around its ends. */
  step(by: 1 | -1): string {
    const rooms = this.rooms.value;
    const at = rooms.findIndex(({ slug }) => slug === this.slug.value);
    return rooms[(at + by + rooms.length) % rooms.length]?.slug ?? this.slug.value;
  }

  /** What the list says about a room. */
  infoOf(slug: string): RoomInfo {
    return this.rooms.value.find((room) => room.slug === slug) ?? { slug, title: slug, topic: "" };
  }

  /** A room of the list. */
  roomOf(slug: string): Room {
    return this.#roomOf(slug);
  }

  /** Tries to connect at once; after the server has ended the session, begins a new one. */
  tryNow(): void {
    if (this.#state.phase === "closed") this.#dial();
    else this.#link?.tryNow();
  }

  /** Tells everyone of a room. One that could not be told now is told with the first message in it. */
  #announce(slug: string): void {
    if (SQUARE_ROOMS.some((room) => room.slug === slug) || this.#announced.has(slug)) return;
    const link = this.#link;
    if (link === undefined) return;
    const { title } = this.infoOf(slug);
    this.#announced.add(slug);
    link.publish(ROOMS_CHANNEL, { slug, title }, randomHex()).catch(() => this.#announced.delete(slug));
  }

  #roomOf(slug: string): Room {
    const known = this.#rooms.get(slug);
    if (known !== undefined) return known;
    const context: RoomContext = {
      link: () => this.#link,
      isConnected: () => this.#state.phase === "connected",
      me: () => this.me,
      soon: this.#options.soon,
      markChanged: (changed, mark) => rememberMark(this.#options.memory, changed, mark),
      drafts: this.#options.drafts,
      beforeSaying: () => this.#announce(slug),
    };
    const room = new Room(slug, this.#remembered.get(slug), context);
    this.#rooms.set(slug, room);
    void room.recallDraft();
    return room;
  }
}

function bound(link: Link): Link {
  return {
    open: link.open.bind(link),
    enter: link.enter.bind(link),
    publish: link.publish.bind(link),
    history: link.history.bind(link),
    tryNow: link.tryNow.bind(link),
    close: link.close.bind(link),
  };
}
