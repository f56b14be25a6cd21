import {
  type BackoffOptions,
  ChannelError,
  type Clock,
  connect,
  type Dial,
  type LeftPublication,
  type Publications,
  type Published,
  type Session,
  type Subscription,
} from "@zocalo/client";
import type { Random } from "@zocalo/integrity";
import type { Json, Position } from "@zocalo/protocol";
import type { Said } from "./history.ts";
import type { OutboxDisk, Tab } from "./outbox-disk.ts";
import { newText } from "./texts.ts";

/** What a client has of its world. */
export interface Surroundings {
  readonly random: Random;
  readonly channels: readonly string[];
  readonly backoff: BackoffOptions;
  readonly timeoutMs: number;
  sleep(ms: number): Promise<void>;
  /** Where there is presence. */
  watches(channel: string): boolean;
  dial(client: number): Dial;
  write(said: Said): void;
  /** A number that nobody had. */
  number(): number;
  /** False where the server forgets keys before somebody could come back and send again by hand. */
  readonly remembersKeys: boolean;
}

/** Who it is to the others, and the token that says so. */
export interface Person {
  readonly user: string;
  readonly token: string;
}

/** What a client runs on. */
export interface Body {
  /** Default: that of the SDK. */
  readonly clientClock?: Clock;
  /** False: its process was killed. */
  isUp: boolean;
}

interface Following {
  readonly sub: number;
  readonly channel: string;
  readonly subscription: Subscription | Publications;
}

/** A user with the real SDK, who does what users do, and writes down what comes of it. */
export class Client {
  readonly person: Person;
  readonly number: number;
  readonly body: Body;
  readonly #world: Surroundings;
  readonly #session: Session;
  readonly #following: Following[] = [];
  /** Publications without an answer: whoever comes after a crash of this client sends them again. */
  readonly #unanswered = new Map<string, { readonly channel: string; readonly text: string }>();
  readonly disk: OutboxDisk | undefined;
  readonly #tab: Tab | undefined;
  #isGone = false;
  /** Reads slowly, those who iterate. */
  isSlow = true;

  constructor(world: Surroundings, person: Person, body: Body, disk?: OutboxDisk) {
    this.#world = world;
    this.person = person;
    this.body = body;
    this.number = world.number();
    this.disk = disk;
    this.#tab = disk?.tab(this.number);
    const keep = this.#tab && { store: this.#tab, left: (left: LeftPublication) => this.#left(left) };
    if (disk !== undefined) world.write({ type: "opened", client: this.number, disk: disk.number });
    const { random } = world;
    this.#session = connect("simulated:", {
      dial: world.dial(this.number),
      token: person.token,
      ...(body.clientClock === undefined ? {} : { clock: body.clientClock }),
      random: () => random.next(),
      backoff: world.backoff,
      timeoutMs: world.timeoutMs,
      ...(keep === undefined ? {} : { keep }),
    });
  }

  act(): void {
    const { random, channels } = this.#world;
    const dice = random.below(100);
    const channel = random.pick(channels) ?? "";
    if (dice < 55) for (let left = random.int(1, 6); left > 0; left--) this.publish(channel);
    else if (dice < 80) {
      if (this.#following.length < 6) this.follow(channel);
    } else if (dice < 90) this.#stopOne();
    else if (dice < 95) this.#session.reconnectNow();
    else
      void this.#session
        .channel(channel)
        .history()
        .catch(() => undefined);
  }

  /** @param text, key of a publication that may have been made before */
  publish(channel: string, before?: { readonly text: string; readonly key: string }): void {
    const { random } = this.#world;
    const id = this.#world.number();
    const text = before?.text ?? newText(random, id);
    const key = before?.key ?? (random.chance(0.5) ? `key-${id}` : undefined);
    const disk = this.disk?.number;
    this.#world.write({ type: "publish", id, client: this.number, channel, text, disk });
    // Who has a disk leaves it to the SDK.
    const isRemembered = key !== undefined && disk === undefined;
    if (isRemembered) this.#unanswered.set(key, { channel, text });
    const published = this.#session.channel(channel).publishJson(text, {
      ...(key === undefined ? {} : { key }),
      kept: () => this.#write({ type: "kept", id }),
    });
    void this.#settled(id, published).then((isAnswered) => {
      if (!isRemembered || !isAnswered || this.#isGone) return;
      this.#unanswered.delete(key);
      // As one does who forgot that it was answered.
      if (this.#world.remembersKeys && random.chance(0.05)) this.publish(channel, { text, key });
    });
  }

  /** What another client, or this one's page before, did not see answered. */
  #left({ data, published }: LeftPublication): void {
    const id = idOf(data as Json);
    this.#write({ type: "left", id, client: this.number });
    void this.#settled(id, published);
  }

  async #settled(id: number, published: Promise<Published>): Promise<boolean> {
    try {
      const { epoch, offset } = await published;
      this.#write({ type: "acked", id, epoch, offset });
      return true;
    } catch (error) {
      const code = error instanceof ChannelError ? error.code : String(error);
      // With its session it is left to the next one.
      if (code !== "closed" || this.disk === undefined) this.#write({ type: "failed", id, code });
      return false;
    }
  }

  /** @param since where an earlier client, or an earlier subscription, stood */
  follow(channel: string, since?: Position): void {
    const { random } = this.#world;
    const sub = this.#world.number();
    const isIterated = random.chance(0.3);
    const watching = this.#world.watches(channel) && !isIterated;
    const start = since !== undefined ? { since } : { last: random.pick([0, 0, 3, 20]) };
    const { number: client } = this;
    const { user } = this.person;
    this.#world.write({ type: "subscribe", sub, client, user, channel, since, watches: watching });
    if (isIterated) this.#iterate(sub, channel, start);
    else this.#handle(sub, channel, { ...start, presence: watching });
  }

  /** The process is killed, or the page is closed. What it leaves behind can be taken up by another. */
  leave(isInOrder: boolean): void {
    this.#isGone = true;
    this.#world.write({ type: "gone", client: this.number });
    if (isInOrder) void this.#session.close();
    else {
      this.body.isUp = false;
      this.#tab?.crash();
    }
  }

  /** Ends it, once all is over. */
  end(): void {
    this.#isGone = true;
    void this.#session.close();
  }

  /** Goes on where another client was. */
  takeUp(before: Client): void {
    for (const { channel, subscription } of before.#following) {
      if (subscription.position !== undefined) this.follow(channel, subscription.position);
    }
    if (!this.#world.remembersKeys) return;
    for (const [key, { channel, text }] of before.#unanswered) this.publish(channel, { text, key });
  }

  /** Says where its subscriptions stand. */
  stand(): void {
    for (const { sub, subscription } of this.#following) {
      const { position } = subscription;
      if (position !== undefined) this.#write({ type: "position", sub, position });
    }
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  #write(said: Said): void {
    if (!this.#isGone) this.#world.write(said);
  }

  #handle(
    sub: number,
    channel: string,
    options: { since?: Position; last?: number; presence: boolean },
  ): void {
    let subscription: Subscription | undefined;
    subscription = this.#session.channel(channel).subscribe(options, {
      publication: ({ offset, json }) => {
        const epoch = subscription?.position?.epoch ?? "";
        this.#write({ type: "publication", sub, epoch, offset, text: json });
      },
      gap: (gap) => this.#write({ type: "gap", sub, gap }),
      recovered: ({ since }) => this.#write({ type: "recovered", sub, since }),
      presence: (users, total) =>
        this.#write({ type: "users", sub, users: users.map(({ user }) => user), total }),
      error: (error) => this.#write({ type: "ended", sub, error: String(error) }),
    });
    this.#following.push({ sub, channel, subscription });
  }

  #iterate(sub: number, channel: string, options: { since?: Position; last?: number }): void {
    const subscription = this.#session.channel(channel).subscribe({
      ...options,
      bufferEntries: this.#world.random.int(1, 5),
      gap: (gap) => this.#write({ type: "gap", sub, gap }),
    });
    this.#following.push({ sub, channel, subscription });
    const read = async (): Promise<void> => {
      for await (const { offset, json } of subscription) {
        if (this.#isGone || !this.#following.some((one) => one.sub === sub)) return;
        const epoch = subscription.position?.epoch ?? "";
        this.#write({ type: "publication", sub, epoch, offset, text: json });
        if (this.isSlow) await this.#world.sleep(this.#world.random.below(400));
      }
    };
    read().catch((error: unknown) => this.#write({ type: "ended", sub, error: String(error) }));
  }

  /** Ends a subscription, and mostly takes it up again where it stood. */
  #stopOne(): void {
    const { random } = this.#world;
    const index = random.below(Math.max(1, this.#following.length));
    const [stopped] = this.#following.splice(index, 1);
    if (stopped === undefined) return;
    const { position } = stopped.subscription;
    stopped.subscription.close();
    this.#world.write({ type: "ended", sub: stopped.sub });
    if (position !== undefined && random.chance(0.7)) this.follow(stopped.channel, position);
  }
}

/** What `newText` put into it. */
function idOf(data: Json): number {
  const id = Array.isArray(data) ? data[1] : (data as { readonly id: Json }).id;
  return id as number;
}
