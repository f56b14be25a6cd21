import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { randomHex } from "./identity.ts";
import {
  type ChannelEvents,
  type Drafts,
  Interrupted,
  type LeftMessage,
  type Link,
  type Page,
  type Person,
  type Place,
  type Publication,
} from "./link.ts";
import { type MarkOf, namesakes } from "./namesakes.ts";
import {
  acknowledged,
  began,
  discarded,
  EMPTY_LOG,
  extended,
  hasOlder,
  IDLE_MESSAGES,
  jumped,
  missed,
  PENDING_LIMIT,
  received,
  refused,
  rested,
  retried,
  ROOM_MESSAGES,
  type RoomLog,
  said,
} from "./room-log.ts";
import { channelOf } from "./slug.ts";
import { readSaid } from "./what-was-said.ts";
import { WORDS } from "./words.ts";
import { further, type ReadMark, unreadCount } from "./unread.ts";

/** How many messages a room begins with, and how many a page of its history has. */
export const PAGE = 100;

/** What a room needs of the square it belongs to. */
export interface RoomContext {
  /** The present link, connected or trying to be. */
  link(): Link | undefined;
  isConnected(): boolean;
  me(): { readonly user: string; readonly name: string } | undefined;
  /** Runs soon: many publications that arrive at once are merged and drawn once. */
  soon(run: () => void): void;
  markChanged(slug: string, mark: ReadMark): void;
  readonly drafts: Drafts;
  /** Called before the first message of one's own, so that a new room gets known. */
  beforeSaying(): void;
}

/** The last thing that was said while looking, for screen readers. */
export interface Heard {
  readonly user: string;
  readonly name: string;
  readonly text: string;
}

/** One room: its messages, its people, and what has been read of it. */
export class Room {
  readonly slug: string;
  readonly log = signal<RoomLog>(EMPTY_LOG);
  /** Who is here, as far as they are listed. */
  readonly people = signal<readonly Person[]>([]);
  /** How many are here. */
  readonly total = signal(0);
  readonly mark = signal<ReadMark | undefined>(undefined);
  readonly unread: ReadonlySignal<number>;
  /** Tells those apart who share a name: of everybody who is here, or whose messages are loaded. */
  readonly markOf: ReadonlySignal<MarkOf>;
  /** Where the line "new" stands: after this offset. */
  readonly unreadAfter = signal<number | undefined>(undefined);
  readonly isLoading = signal(false);
  /** Why this room cannot be followed, as the server said. */
  readonly trouble = signal<string | undefined>(undefined);
  readonly heard = signal<Heard | undefined>(undefined);
  /** Raised when one has said something: each time, the view goes to the end of the room. */
  readonly saidCount = signal(0);
  /** What has been written and not sent. */
  readonly draft = signal("");

  readonly #context: RoomContext;
  /** Stops being seen here. */
  #leave = () => {};
  readonly #inFlight = new Set<string>();
  /** Messages that the browser keeps until they are sent: nobody has to send them again. */
  readonly #kept = new Set<string>();
  #arrived: Publication[] = [];
  #liveAfter = Number.POSITIVE_INFINITY;
  #isShown = false;
  #isHeld = false;
  #loads = 0;

  constructor(slug: string, mark: ReadMark | undefined, context: RoomContext) {
    this.slug = slug;
    this.#context = context;
    this.mark.value = mark;
    this.unread = computed(() => unreadCount(this.log.value, this.mark.value, context.me()?.user));
    this.markOf = computed(() => {
      const { entries, past } = this.log.value;
      const me = context.me();
      return namesakes([...this.people.value, ...entries, ...past, ...(me === undefined ? [] : [me])]);
    });
  }

  /** Begins with the draft that was left here. */
  async recallDraft(): Promise<void> {
    const draft = await this.#context.drafts.get(this.channel);
    if (draft !== undefined && this.draft.value === "") this.draft.value = draft;
  }

  write(text: string): void {
    this.draft.value = text;
    void this.#context.drafts.set(this.channel, text);
  }

  get channel(): string {
    return channelOf(this.slug);
  }

  /** Follows the channel over a new link, from where the page is if the log is still the same. */
  follow(link: Link): void {
    const { epoch, entries, isAtHead } = this.log.value;
    const last = entries.at(-1)?.offset;
    const since = epoch !== undefined && last !== undefined && isAtHead ? { epoch, offset: last } : undefined;
    this.trouble.value = undefined;
    link.open(this.channel, { last: PAGE, since }, this.#events());
    if (this.#isShown) this.#enter();
  }

  /** Is seen in the room by the others, and sees them, as long as it is on the screen. */
  #enter(): void {
    const leave = this.#context.link()?.enter(this.channel, (people, total) => {
      this.people.value = people;
      this.total.value = total;
    });
    this.#leave();
    this.#leave = leave ?? (() => {});
  }

  #events(): ChannelEvents {
    return {
      began: (beginning) => {
        const { epoch, head } = beginning;
        this.#flush();
        this.log.value = began(this.log.value, beginning);
        this.#liveAfter = head;
        const mark = this.mark.value;
        if (mark === undefined) this.#setMark({ epoch, offset: head });
        else if (mark.epoch !== epoch) this.#setMark({ epoch, offset: 0, followsLoss: true });
        else if (mark.offset < head && this.unreadAfter.value === undefined) {
          this.unreadAfter.value = mark.offset;
        }
      },
      published: (publications) => {
        const isFirst = this.#arrived.length === 0;
        this.#arrived.push(...publications);
        if (isFirst) this.#context.soon(() => this.#flush());
        if (this.#arrived.length >= ROOM_MESSAGES) this.#flush();
      },
      gap: (gap) => {
        this.#flush();
        this.log.value = missed(this.log.value, gap);
      },
      refused: (reason) => {
        this.trouble.value = reason;
      },
    };
  }

  #flush(): void {
    const arrived = this.#arrived;
    if (arrived.length === 0) return;
    this.#arrived = [];
    const me = this.#context.me()?.user;
    this.log.value = received(this.log.value, arrived, me, this.#window());
    if (!this.#isShown) return;
    const live = arrived.findLast(({ offset, user }) => offset > this.#liveAfter && user !== me);
    const entry = live && this.log.value.entries.find(({ offset }) => offset === live.offset);
    if (entry) this.heard.value = { user: entry.user, name: entry.name, text: entry.said.text };
  }

  #window() {
    return { limit: this.#isShown ? ROOM_MESSAGES : IDLE_MESSAGES, isHeld: this.#isShown && this.#isHeld };
  }

  /** The room comes on the screen: the line "new" stands after what had been read. */
  show(): void {
    this.#isShown = true;
    this.#isHeld = false;
    this.markNew();
    this.#enter();
    if (!this.log.value.isAtHead) void this.toEnd();
  }

  /** The room leaves the screen and keeps only its latest messages. */
  hide(): void {
    this.#isShown = false;
    this.#leave();
    this.unreadAfter.value = undefined;
    this.heard.value = undefined;
    this.log.value = rested(this.log.value, IDLE_MESSAGES);
  }

  /** True while somebody reads further up: what they read must not be dropped to make room. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
  }

  /** Puts the line "new" after what has been read, if anything is unread. */
  markNew(): void {
    const mark = this.mark.value;
    if (this.unread.value === 0 || mark === undefined) return;
    this.unreadAfter.value = mark.epoch === this.log.value.epoch ? mark.offset : 0;
  }

  /** Everything that is loaded has been seen. */
  markRead(): void {
    const { epoch, entries } = this.log.value;
    const offset = entries.at(-1)?.offset;
    if (epoch === undefined || offset === undefined) return;
    const mark = this.mark.value;
    if (mark?.epoch === epoch && mark.offset >= offset) return;
    this.#setMark({ ...mark, epoch, offset });
  }

  /** Another tab has read, perhaps further. */
  readElsewhere(mark: ReadMark): void {
    const { epoch } = this.log.value;
    if (epoch === undefined || mark.epoch === epoch) this.mark.value = further(this.mark.value, mark);
  }

  #setMark(mark: ReadMark): void {
    this.mark.value = mark;
    this.#context.markChanged(this.slug, mark);
  }

  /**
   * Shows a message at once and sends it, or as soon as there is a connection. False if too many are waiting
   * already.
   */
  say(text: string): boolean {
    if (this.log.value.pending.length >= PENDING_LIMIT) return false;
    this.#context.beforeSaying();
    this.unreadAfter.value = undefined;
    const key = randomHex();
    this.log.value = said(this.log.value, { key, text, at: Date.now() });
    void this.#deliver(key);
    this.saidCount.value += 1;
    return true;
  }

  /** Sends a failed message again, under the same key: it cannot arrive twice. */
  retry(key: string): void {
    this.log.value = retried(this.log.value, key);
    void this.#deliver(key);
  }

  /** Gives a failed message up. */
  discard(key: string): void {
    this.log.value = discarded(this.log.value, key);
  }

  /** Sends over the present link what an earlier one was closed upon and does not hand on. */
  deliverInterrupted(): void {
    for (const { key, problem } of this.log.value.pending) {
      if (problem === undefined && !this.#kept.has(key)) void this.#deliver(key);
    }
  }

  /** Shows a message that an earlier link has left, and is on its way. */
  resume({ key, place, at, ...message }: LeftMessage): void {
    this.#kept.add(key);
    if (!this.log.value.pending.some((one) => one.key === key)) {
      this.log.value = said(this.log.value, { key, text: readSaid(message).text, at });
    }
    void this.#settle(key, place);
  }

  async #deliver(key: string): Promise<void> {
    const link = this.#context.link();
    const message = this.log.value.pending.find((one) => one.key === key);
    if (link === undefined || message === undefined || this.#inFlight.has(key)) return;
    this.#inFlight.add(key);
    const kept = () => void this.#kept.add(key);
    await this.#settle(key, link.publish(this.channel, { text: message.text }, key, kept));
    this.#inFlight.delete(key);
    // The end of the room could not be loaded when this was said without a connection.
    if (!this.log.value.isAtHead) this.saidCount.value += 1;
    // The link was closed, and there is another one by now, which could not be used before this answer.
    if (this.#context.link() !== link) this.deliverInterrupted();
  }

  async #settle(key: string, answer: Promise<Place>): Promise<void> {
    try {
      const place = await answer;
      this.#flush();
      const me = this.#context.me();
      if (me !== undefined) this.log.value = acknowledged(this.log.value, key, place, me, this.#window());
    } catch (error) {
      // An interrupted message goes on waiting; everything else is for the person to decide.
      if (error instanceof Interrupted) return;
      this.log.value = refused(this.log.value, key, reasonOf(error));
    }
    this.#kept.delete(key);
  }

  /** Loads the messages before the window. */
  async older(): Promise<void> {
    const first = this.log.value.entries[0]?.offset;
    if (first === undefined || !hasOlder(this.log.value)) return;
    await this.#load({ before: first, limit: PAGE }, (page) => {
      this.log.value = extended(this.log.value, page, "older");
    });
  }

  /** Loads the messages after the window, when it has been scrolled away from the end. */
  async newer(): Promise<void> {
    const last = this.log.value.entries.at(-1)?.offset;
    if (this.log.value.isAtHead) return;
    if (last === undefined) return this.toEnd();
    await this.#load({ before: last + 1 + PAGE, limit: PAGE }, (page) => {
      this.log.value = extended(this.log.value, page, "newer");
    });
  }

  /** Shows the newest messages, wherever the window was. */
  async toEnd(): Promise<void> {
    this.#isHeld = false;
    if (this.log.value.isAtHead) return;
    this.isLoading.value = false; // whatever is being loaded, it is not what is wanted any more
    await this.#load({ limit: PAGE }, (page) => {
      this.log.value = jumped(this.log.value, page);
    });
  }

  /** Shows the first messages that the server keeps. */
  async toBeginning(): Promise<void> {
    if (!hasOlder(this.log.value)) return;
    this.isLoading.value = false;
    await this.#load({ before: this.log.value.oldest + PAGE, limit: PAGE }, (page) => {
      this.log.value = jumped(this.log.value, page);
    });
  }

  async #load(options: { before?: number; limit: number }, show: (page: Page) => void): Promise<void> {
    const link = this.#context.link();
    if (link === undefined || !this.#context.isConnected() || this.isLoading.value) return;
    const number = ++this.#loads;
    this.isLoading.value = true;
    try {
      const page = await link.history(this.channel, options);
      if (number !== this.#loads) return;
      this.#flush();
      show(page);
    } catch {
      // Scrolling again asks again; a lost connection has its own notice.
    } finally {
      if (number === this.#loads) this.isLoading.value = false;
    }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error && error.message !== "" ? error.message : WORDS.notTaken;
}
