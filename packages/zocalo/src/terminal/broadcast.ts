import { type CloseInfo, type Message, PreparedMessage } from "@zocalo/net";
import type { MessageLink } from "./link.ts";

/** How long a member may take nothing before it is cut off, in milliseconds. */
const DEFAULT_STALL_MS = 10_000;

interface Member {
  readonly link: MessageLink;
  /** Told of each message that came from it, or went to it. */
  readonly onTraffic: () => void;
  /** Runs while it is behind. */
  stall: NodeJS.Timeout | undefined;
}

/**
 * Connections of which each gets what any of them sends, the sender too, and what stands on standard input.
 *
 * Nothing is dropped: the slowest member holds the others back, until it has taken nothing for a while and is
 * cut off.
 */
export class Broadcast {
  readonly #members = new Set<Member>();
  readonly #behind = new Set<Member>();
  readonly #stallMs: number;
  readonly #onCut: (peer: string) => void;
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  /**
   * @param stallMs how long a member may take nothing before it is cut off, in milliseconds. Default 10 s.
   * @param onCut told of whom.
   */
  constructor(stallMs: number | undefined, onCut: (peer: string) => void) {
    this.#stallMs = stallMs ?? DEFAULT_STALL_MS;
    this.#onCut = onCut;
  }

  /** True while all wait for somebody who is behind. */
  get isHeldUp(): boolean {
    return this.#room !== undefined;
  }

  /** Takes a connection in; resolves when it has ended. */
  join(link: MessageLink, onTraffic: () => void): Promise<CloseInfo> {
    const member: Member = { link, onTraffic, stall: undefined };
    this.#members.add(member);
    return new Promise((resolve) => {
      link.conn.serve({
        message: (message) => {
          onTraffic();
          return this.send(message);
        },
        drain: () => this.#caughtUp(member),
        close: (info) => {
          this.#members.delete(member);
          this.#caughtUp(member);
          resolve(info);
        },
      });
    });
  }

  /** Sends to all. A promise, to wait for before the next one, only if somebody is behind. */
  send(message: Message): void | Promise<void> {
    return this.#room === undefined ? this.#sendNow(message) : this.#sendInTurn(message, this.#room.promise);
  }

  /** Hot path: framed once for all. */
  #sendNow(message: Message): void | Promise<void> {
    const prepared = new PreparedMessage(message);
    for (const member of this.#members) {
      const outcome = member.link.conn.trySend(prepared);
      // `refused`: it is closing, or it is a datagram that cannot leave.
      if (outcome !== "refused") member.onTraffic();
      if (outcome === "buffered") this.#fellBehind(member);
    }
    return this.#room?.promise;
  }

  async #sendInTurn(message: Message, room: Promise<void>): Promise<void> {
    await room;
    await this.send(message);
  }

  #fellBehind(member: Member): void {
    if (this.#behind.has(member)) return;
    this.#behind.add(member);
    member.stall = setTimeout(() => {
      this.#onCut(member.link.peer);
      member.link.conn.abort();
    }, this.#stallMs);
    if (this.#room !== undefined) return;
    let resolve = (): void => undefined;
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    this.#room = { promise, resolve };
  }

  #caughtUp(member: Member): void {
    clearTimeout(member.stall);
    if (!this.#behind.delete(member) || this.#behind.size > 0) return;
    this.#room?.resolve();
    this.#room = undefined;
  }
}
