import assert from "node:assert/strict";
import { decodeServerMessage } from "@zocalo/protocol";
import { type Said, saidIn } from "./framing.ts";
import type { Transport } from "./transcript.ts";

/** What each run makes anew. The name stands for the same thing wherever it comes again. */
const NAMES: ReadonlySet<string> = new Set(["epoch", "session", "user"]);
/** What may differ: clocks, settings, and words for people. Only its kind is looked at. */
const VARIES: ReadonlySet<string> = new Set([
  "at",
  "server",
  "message",
  "reason",
  "pingMs",
  "expiresMs",
  "commandBytes",
]);

/** Holds what a server says now against what was recorded. */
export class Comparison {
  /** What is called otherwise now: the recorded name, and that of today. */
  readonly names = new Map<string, string>();
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Whether `now` is a message that did not exist when the recording was made, which a client passes over.
   */
  isNew(now: Buffer): boolean {
    const said = saidIn(this.#transport, now);
    return "text" in said && !KNOWN.has((JSON.parse(said.text) as { type: string }).type);
  }

  /** @throws AssertionError where a client of the time would be served otherwise */
  check(recorded: Buffer, now: Buffer): void {
    const [before, after] = [saidIn(this.#transport, recorded), saidIn(this.#transport, now)];
    if (!("text" in before) || !("text" in after)) {
      assert.deepEqual(after, before);
      return;
    }
    this.#hold(decoded(before), decoded(after), "");
  }

  /** Each member that was there is there, with the same value. There may be more. */
  #hold(before: unknown, now: unknown, path: string): void {
    if (Array.isArray(before)) {
      assert.ok(Array.isArray(now) && now.length === before.length, `${path}: ${JSON.stringify(now)}`);
      for (const [index, item] of before.entries()) this.#hold(item, now[index], `${path}[${index}]`);
    } else if (typeof before === "object" && before !== null) {
      assert.ok(typeof now === "object" && now !== null, path);
      const members = now as Record<string, unknown>;
      for (const [name, value] of Object.entries(before)) this.#member(name, value, members[name], path);
    } else assert.equal(now, before, path);
  }

  #member(name: string, before: unknown, now: unknown, parent: string): void {
    const path = `${parent}.${name}`;
    if (name === "data" || name === "info") assert.deepEqual(now, before, path);
    else if (VARIES.has(name)) assert.equal(typeof now, typeof before, path);
    else if (NAMES.has(name) && typeof before === "string" && typeof now === "string") {
      const known = this.names.get(before);
      if (known === undefined) this.names.set(before, now);
      else assert.equal(now, known, path);
    } else this.#hold(before, now, path);
  }
}

/** Types of the messages that are recorded anywhere; whatever else comes is news. */
const KNOWN: ReadonlySet<string> = new Set([
  "connected",
  "subscribed",
  "unsubscribed",
  "published",
  "history",
  "presence",
  "pong",
  "verify",
  "error",
  "publication",
  "gap",
  "join",
  "leave",
  "changes",
  "disconnect",
]);

/** As a client of today reads it, which must be able to: with `json` beside each `data`. */
function decoded(said: Extract<Said, { text: string }>): object {
  const message = decodeServerMessage(said.text);
  assert.ok(message, `no message: ${said.text}`);
  return message;
}
