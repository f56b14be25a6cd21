import { encodeBinaryCast, encodeCast, type StoredCast } from "@zocalo/protocol";
import type { Volatile } from "./newest.ts";
import { ownContent } from "../primitives/text-memory.ts";
import { bytesOf, SharedMessage } from "./shared-message.ts";

/** Who says something of this moment. */
export interface CastSource {
  readonly user: string;
  /** Whose it counts as where it waits. */
  readonly owner: object;
  /** The session that is not told of it, having said it; unset for the server's program. */
  readonly session?: object;
}

/** Something of this moment, said in a channel. */
export class Cast extends SharedMessage implements Volatile {
  readonly channel: string;
  readonly owner: object;
  /** The session that said it. */
  readonly from: object | undefined;
  readonly keptBytes: number;
  #said: StoredCast;
  #isOwn = false;
  #slot: string | undefined;

  /** @param sender the public name of its session, where others are told */
  constructor(
    channel: string,
    { user, owner, session }: CastSource,
    key: string | undefined,
    data: string | Uint8Array,
    sender: string | undefined,
  ) {
    super();
    this.channel = channel;
    this.owner = owner;
    this.from = session;
    this.keptBytes = bytesOf(data);
    this.#said = { user, key, data, sender };
  }

  /** Those who cannot tell the sessions of a user apart have one newest of them. */
  get slot(): string {
    const { user, key = "", sender } = this.#said;
    const who = sender ?? user;
    // A user's name may have any characters, so its length says where it ends.
    this.#slot ??= `${this.channel} ${who.length} ${who}${key}`;
    return this.#slot;
  }

  get message(): this {
    return this;
  }

  /** What was said is a part of the command that it came in, which may be much longer. */
  own(): void {
    if (this.#isOwn) return;
    this.#isOwn = true;
    this.#said = { ...this.#said, data: ownContent(this.#said.data) };
  }

  protected override makeText(): string {
    return encodeCast(this.channel, this.#said);
  }

  protected override makeBinary(): Uint8Array {
    return encodeBinaryCast(this.channel, this.#said);
  }
}
