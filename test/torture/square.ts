import type { BackoffOptions, Dial } from "@zocalo/client";
import type { Random } from "@zocalo/integrity";
import * as websocket from "@zocalo/websocket";
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Ports } from "../e2e-server.ts";
import { findBroken } from "../simulation/checker.ts";
import { Client, type Person, type Surroundings } from "../simulation/client.ts";
import { CALM_MS, type Entry, type Promised, type Said } from "../simulation/history.ts";
import { Texts } from "../simulation/texts.ts";
import { RawClient } from "./raw-client.ts";
import { readLog } from "./read-log.ts";

/** However slow the machine is, by then it is calm. */
const LONGEST_CALM_MS = 300_000;
const YEARS_MS = 100 * 365 * 86_400_000;
const FOR_EVER = { publications: 1_000_000, ttlMs: YEARS_MS };

/** What each namespace keeps, for longer than any clock is set forward. */
const HISTORY: Readonly<Record<string, Promised>> = {
  none: { publications: 0, ttlMs: YEARS_MS },
  few: { publications: 8, ttlMs: YEARS_MS },
  all: FOR_EVER,
  quiet: FOR_EVER,
};

export const CHANNELS = ["none:a", "few:a", "all:a", "all:b", "quiet:a"] as const;

/** The configuration of the server. */
export const CONFIGURATION = {
  namespaces: Object.fromEntries(
    Object.entries(HISTORY).map(([name, history]) => [
      name,
      {
        subscribe: "anyone",
        publish: "anyone",
        presence: name === "all",
        history: { ...history, bytes: 2 ** 40 },
        keyMs: YEARS_MS,
      },
    ]),
  ),
};

const LEARNED: ReadonlySet<Entry["type"]> = new Set(["acked", "publication", "gap", "recovered", "users"]);

/** What a client has of the real world. */
export interface RealSurroundings extends Surroundings {
  readonly texts: Texts;
  readonly ports: Ports;
}

/** Everybody who talks to the server, and what they wrote down. */
export class Square implements RealSurroundings {
  readonly remembersKeys = true;
  readonly random: Random;
  readonly ports: Ports;
  readonly channels = CHANNELS;
  readonly backoff: BackoffOptions = { baseMs: 20, maxMs: 400 };
  readonly timeoutMs = 10_000;
  readonly texts = new Texts();
  readonly history: Entry[] = [];
  readonly #began = performance.now();
  readonly #clients: Client[] = [];
  readonly #raw: RawClient[] = [];
  /** Connections of clients with the SDK. */
  readonly #conns = new Map<number, Set<{ abort(): void }>>();
  /** Publications that were answered. */
  acked = 0;
  /** Publications without an answer, and whose they are. */
  readonly #unanswered = new Map<number, number>();
  /** When anybody last learned anything. */
  #learnedAt = 0;
  #lastNumber = 0;
  #isActing = false;

  constructor(random: Random, ports: Ports) {
    this.random = random;
    this.ports = ports;
    for (const name of ["ana", "ben", "eva", "luz"]) this.#come(personOf(name, random));
    for (const name of ["tim", "tom"]) this.#raw.push(new RawClient(this, personOf(name, random), "tcp"));
    for (const name of ["uma", "una"]) this.#raw.push(new RawClient(this, personOf(name, random), "udp"));
    for (const client of this.#raw) for (const channel of CHANNELS) client.follow(channel);
  }

  sleep(ms: number): Promise<void> {
    return sleep(ms);
  }

  watches(channel: string): boolean {
    return channel.startsWith("all:");
  }

  write(said: Said): void {
    if (said.type === "publish") {
      this.texts.add(said.text);
      this.#unanswered.set(said.id, said.client);
    }
    if (said.type === "gone") {
      for (const [id, client] of this.#unanswered) if (client === said.client) this.#unanswered.delete(id);
    }
    if (LEARNED.has(said.type)) this.#learnedAt = this.now;
    if (said.type === "acked") this.acked++;
    if (said.type === "acked" || said.type === "failed") this.#unanswered.delete(said.id);
    this.history.push({ ...said, at: this.now });
  }

  get now(): number {
    return Math.round(performance.now() - this.#began);
  }

  number(): number {
    return ++this.#lastNumber;
  }

  dial(client: number): Dial {
    return async (_url, options) => {
      const conn = await websocket.dial(`ws://127.0.0.1:${this.ports.http}/ws`, options);
      const conns = this.#conns.get(client) ?? new Set();
      this.#conns.set(client, conns.add(conn));
      return conn;
    };
  }

  /** Everybody acts, until it is stopped. */
  async act(): Promise<void> {
    const { random } = this;
    this.#isActing = true;
    while (this.#isActing) {
      random.pick([...this.#living, ...this.#raw])?.act();
      await sleep(random.below(12));
    }
  }

  /** One is killed, or leaves, and another one goes on where it was. */
  leave(): void {
    const client = this.random.pick(this.#living);
    if (client === undefined) return;
    const isInOrder = this.random.chance(0.3);
    client.leave(isInOrder);
    if (!isInOrder) for (const conn of this.#conns.get(client.number) ?? []) conn.abort();
    client.end();
    this.#come(client.person).takeUp(client);
  }

  /**
   * Nothing is done any more: everybody has to know everything, and until then there is news within
   * `CALM_MS`. Gives what is broken.
   */
  async calm(): Promise<string | undefined> {
    this.#isActing = false;
    for (const client of this.#living) client.isSlow = false;
    const began = this.now;
    this.#learnedAt = began;
    while (this.#unanswered.size > 0 && this.now - began < CALM_MS / 2) await sleep(100);
    for (let waitMs = 500; ; waitMs *= 2) {
      const recorded = this.history.length;
      const pages = await Promise.all(
        CHANNELS.map((channel) => readLog(this.ports.tcp, channel, this.texts)),
      );
      for (const page of pages) this.write(page);
      for (const client of [...this.#living, ...this.#raw]) client.stand();
      this.write({ type: "calm" });
      const broken = findBroken(this.history, promisedOf);
      const isOver = this.now - this.#learnedAt > CALM_MS || this.now - began > LONGEST_CALM_MS;
      if (isOver || !/^(?:answer|lost|presence): /.test(broken ?? "")) return broken;
      // What came meanwhile stays; that it was calm is taken back.
      const later = this.history.splice(recorded).filter(({ type }) => type !== "calm" && type !== "page");
      this.history.push(...later);
      // To look takes its time, in which nobody else gets anything done here.
      await sleep(waitMs);
    }
  }

  end(): void {
    this.#isActing = false;
    for (const client of [...this.#clients, ...this.#raw]) client.end();
  }

  get #living(): Client[] {
    return this.#clients.filter(({ isGone }) => !isGone);
  }

  #come(person: Person): Client {
    const client = new Client(this, person, { isUp: true });
    this.#clients.push(client);
    for (const channel of CHANNELS) if (this.random.chance(0.5)) client.follow(channel);
    return client;
  }
}

function promisedOf(channel: string): Promised {
  return HISTORY[channel.slice(0, channel.indexOf(":"))] ?? FOR_EVER;
}

/** Guests are named by their token (`guests` of the hub). */
function personOf(name: string, random: Random): Person {
  const token = `${name} ${random.bytes(16).toString("hex")}`;
  return { token, user: `guest-${createHash("sha256").update(token).digest("base64url").slice(0, 12)}` };
}
