import type { Position } from "@zocalo/protocol";
import { Broken, check, Facts } from "./facts.ts";
import type { Entry, Page, Promised, Subscribing } from "./history.ts";
import { WireChecker } from "./wire-checker.ts";

interface Following extends Subscribing {
  position: Position | undefined;
  users: readonly string[] | undefined;
  hasEnded: boolean;
}

type Publishing = Extract<Entry, { type: "publish" }>;

/**
 * Reads what clients and operator wrote down, and nothing else, and holds it against what the documentation
 * promises.
 *
 * @param promisedOf of a channel
 * @returns what is broken, or `undefined`
 */
export function findBroken(
  history: readonly Entry[],
  promisedOf: (channel: string) => Promised,
): string | undefined {
  const checker = new Checker(promisedOf);
  for (const entry of history) checker.learn(entry);
  for (const entry of history) {
    try {
      checker.take(entry);
    } catch (error) {
      if (error instanceof Broken) return `${error.message} (at ${entry.at} ms)`;
      throw error;
    }
  }
  try {
    checker.end();
  } catch (error) {
    if (error instanceof Broken) return error.message;
    throw error;
  }
  return undefined;
}

class Checker {
  readonly #facts: Facts;
  readonly #subs = new Map<number, Following>();
  readonly #asked = new Map<number, Publishing>();
  /** Without an outcome. */
  readonly #publishing = new Map<number, Publishing>();
  /** Publications whose client was told that they outlive it. */
  readonly #kept = new Set<number>();
  /** By client. */
  readonly #disks = new Map<number, number>();
  /** What was told to be unknown, as it is on the wire. */
  readonly #unknown = new Set<string>();
  readonly #gone = new Set<number>();
  readonly #conns = new Map<number, WireChecker>();
  /** The last page of each channel. */
  readonly #pages = new Map<string, Page>();
  /** Gaps, judged when all is known. */
  readonly #gaps: (() => void)[] = [];

  constructor(promisedOf: (channel: string) => Promised) {
    this.#facts = new Facts(promisedOf);
  }

  /** What is true whenever it is told. */
  learn(entry: Entry): void {
    if (entry.type === "publish") this.#facts.invoked(entry.channel, entry.text, entry.at);
    if (entry.type === "lost") this.#facts.lost(entry.channel, entry.at);
  }

  take(entry: Entry): void {
    const { at } = entry;
    switch (entry.type) {
      case "publish":
        this.#publishing.set(entry.id, entry);
        this.#asked.set(entry.id, entry);
        this.#unknown.delete(`"data":${entry.text}}`); // Its application has decided.
        return;
      case "kept":
        this.#kept.add(entry.id);
        return;
      case "left": {
        const asked = this.#asked.get(entry.id);
        const disk = this.#disks.get(entry.client);
        check(asked !== undefined && asked.disk === disk, () => `left: ${entry.id} was not kept on ${disk}`);
        return;
      }
      case "opened":
        this.#disks.set(entry.client, entry.disk);
        return;
      case "acked": {
        const asked = this.#asked.get(entry.id);
        this.#publishing.delete(entry.id);
        if (asked !== undefined) this.#facts.stands(asked.channel, entry.epoch, entry.offset, asked.text);
        return;
      }
      case "failed":
        this.#publishing.delete(entry.id);
        if (entry.code === "unknown_outcome") this.#unknown.add(`"data":${this.#asked.get(entry.id)?.text}}`);
        return;
      case "subscribe":
        this.#subs.set(entry.sub, { ...entry, position: entry.since, users: undefined, hasEnded: false });
        return;
      case "gone":
        this.#gone.add(entry.client);
        for (const [id, { client }] of this.#publishing)
          if (client === entry.client && !this.#kept.has(id)) this.#publishing.delete(id);
        return;
      case "page":
        return this.#page(entry, at);
      case "calm":
        return this.#calm();
      case "command":
      case "message": {
        const conn = this.#conns.get(entry.conn) ?? new WireChecker(this.#facts);
        this.#conns.set(entry.conn, conn);
        if (entry.type === "command") {
          const data = entry.text.slice(entry.text.indexOf('"data":'));
          check(!this.#unknown.has(data), () => `again: ${data} was told to be unknown, and is sent`);
          conn.command(entry.text);
        } else conn.message(entry.text, at);
        return;
      }
      case "lost":
        return;
      default:
        return this.#followed(entry);
    }
  }

  end(): void {
    for (const judge of this.#gaps) judge();
  }

  #followed(entry: Extract<Entry, { sub: number }>): void {
    const sub = this.#subs.get(entry.sub);
    if (sub === undefined) return;
    const { channel, position } = sub;
    const name = `subscription ${sub.sub} of ${channel}`;
    check(!sub.hasEnded, () => `order: ${name} has ended and is told of ${entry.type}`);
    switch (entry.type) {
      case "publication": {
        const { epoch, offset, text } = entry;
        if (position !== undefined) {
          check(
            position.epoch === epoch,
            () => `reset: ${name} went from ${position.epoch} to ${epoch} untold`,
          );
          check(
            offset === position.offset + 1,
            () => `order: ${name} got ${offset} after ${position.offset}`,
          );
        }
        sub.position = { epoch, offset };
        return this.#facts.stands(channel, epoch, offset, text);
      }
      case "gap": {
        const { gap } = entry;
        if (gap.reset) {
          this.#facts.reset(channel, entry.at);
          check(isAt(sub, gap.previous), () => `gap: ${name} was elsewhere than at ${JSON.stringify(gap)}`);
          sub.position = { epoch: gap.epoch, offset: 0 };
          return;
        }
        const { epoch, from, to } = gap;
        check(isAt(sub, { epoch, offset: from - 1 }), () => `gap: ${name} was not at ${from} of ${epoch}`);
        check(to >= from, () => `gap: ${name} has one of nothing`);
        this.#gaps.push(() => this.#facts.gap(channel, epoch, from, to, entry.at));
        sub.position = { epoch, offset: to };
        return;
      }
      case "recovered":
        check(isAt(sub, entry.since), () => `start: ${name} recovered since ${JSON.stringify(entry.since)}`);
        sub.position = entry.since;
        return;
      case "position":
        check(isAt(sub, entry.position), () => `order: ${name} is at ${JSON.stringify(entry.position)}`);
        sub.position = entry.position;
        return;
      case "users":
        check(
          entry.users.length === entry.total,
          () => `presence: ${name} sees ${entry.users.join()}, and a total of ${entry.total}`,
        );
        sub.users = entry.users;
        return;
      case "ended":
        sub.hasEnded = true;
        check(entry.error === undefined, () => `end: ${name} ended with ${entry.error}`);
        return;
      default:
    }
  }

  #page(page: Page & { readonly at: number }, at: number): void {
    const { channel, epoch, head, oldest, publications } = page;
    this.#facts.epoch(channel, epoch);
    this.#pages.set(channel, page);
    check(
      publications.length === head - oldest + 1,
      () => `page: ${channel} has ${oldest} to ${head}, and not all came`,
    );
    for (const [index, { offset, text }] of publications.entries()) {
      check(offset === oldest + index, () => `page: ${channel} ${offset} where ${oldest + index} was due`);
      this.#facts.stands(channel, epoch, offset, text);
    }
    if (oldest > 1) this.#gaps.push(() => this.#facts.gap(channel, epoch, 1, oldest - 1, at));
  }

  /** Everybody has had the time to learn everything. */
  #calm(): void {
    for (const { channel, epoch, head } of this.#pages.values()) {
      const highest = this.#facts.highest(channel, epoch);
      check(highest <= head, () => `lost: ${channel} ends at ${head}, and ${highest} of ${epoch} was there`);
    }
    const open = new Set([...this.#disks].flatMap(([client, disk]) => (this.#gone.has(client) ? [] : disk)));
    for (const { id, client, channel, text, disk } of this.#publishing.values()) {
      const isLeft = this.#gone.has(client);
      if (isLeft && (disk === undefined || !open.has(disk))) continue; // It waits for somebody to come.
      const word = isLeft ? "kept" : "answer";
      check(false, () => `${word}: none to ${id}, which publishes ${text} in ${channel}`);
    }
    const living = [...this.#subs.values()].filter(
      ({ hasEnded, client }) => !hasEnded && !this.#gone.has(client),
    );
    for (const { sub, channel, position, watches, users } of living) {
      const page = this.#pages.get(channel);
      if (page === undefined) continue;
      check(isSame(position, { epoch: page.epoch, offset: page.head }), () => {
        return `lost: subscription ${sub} of ${channel} stopped at ${JSON.stringify(position)} before ${page.head} of ${page.epoch}`;
      });
      if (!watches) continue;
      const there = new Set(living.filter((other) => other.channel === channel).map(({ user }) => user));
      const [expected, seen] = [[...there].sort().join(), [...(users ?? [])].sort().join()];
      check(
        expected === seen,
        () => `presence: subscription ${sub} of ${channel} sees ${seen}, and there are ${expected}`,
      );
    }
  }
}

/** Who was brought nothing yet may be anywhere. */
function isAt({ position }: Following, told: Position): boolean {
  return position === undefined || isSame(position, told);
}

function isSame(a: Position | undefined, b: Position | undefined): boolean {
  return a !== undefined && b !== undefined && a.epoch === b.epoch && a.offset === b.offset;
}
