import { parseAddr } from "@zocalo/net";
import type { LaneTicket } from "../contracts/wire.ts";
import { ID_BYTES, KEY_BYTES, MAX_CONTENT_BYTES, SEAL_BYTES } from "./seal.ts";

/** A ticket, read. */
export interface ReadTicket {
  readonly id: Uint8Array;
  readonly toServer: Uint8Array;
  readonly toClient: Uint8Array;
  readonly host: string;
  readonly port: number;
  readonly lifetimeMs: number;
  readonly maxMessageBytes: number;
}

/** What a ping is padded by beyond the longest message: an answer of full length and a ping fit its bytes. */
export const PROBE_EXTRA_BYTES = SEAL_BYTES + 8;

/** Of a message, in bytes: a ping that proves that it fits is longer still. */
export const MOST_MESSAGE_BYTES = MAX_CONTENT_BYTES - PROBE_EXTRA_BYTES;

/**
 * Reads what came as a ticket. It has come from the server, whom the client trusts, and is checked all the
 * same: a page of another version may have another.
 *
 * @throws TypeError that names the member, and shows nothing of the keys
 */
export function readTicket(ticket: LaneTicket): ReadTicket {
  const given: Partial<Record<keyof LaneTicket, unknown>> = Object(ticket);
  if (given.version !== 1) throw new TypeError("this is no lane ticket of version 1");
  const { lifetimeMs, maxMessageBytes, address } = given;
  if (!isWhole(lifetimeMs, 1, 2 ** 31 - 1)) throw fault("lifetimeMs", "a number of milliseconds");
  if (!isWhole(maxMessageBytes, 1, MOST_MESSAGE_BYTES))
    throw fault("maxMessageBytes", `a number of bytes up to ${MOST_MESSAGE_BYTES}`);
  if (typeof address !== "string") throw fault("address", "a text");
  const { host, port } = parseAddr("udp", address, "dial");
  if (port === 0) throw fault("address", "one with a port");
  return {
    id: bytesOf("id", given.id, ID_BYTES),
    toServer: bytesOf("toServer", given.toServer, KEY_BYTES),
    toClient: bytesOf("toClient", given.toClient, KEY_BYTES),
    host,
    port,
    lifetimeMs,
    maxMessageBytes,
  };
}

/** Ids of the newest tickets that were used, so many of them. */
export class UsedTickets {
  readonly #most: number;
  readonly #ids = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Remembers one in place of the oldest. False if it is remembered already. */
  take(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > this.#most && oldest !== undefined) this.#ids.delete(oldest);
    return true;
  }
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
}

function bytesOf(name: string, value: unknown, length: number): Uint8Array {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64url") : Buffer.alloc(0);
  if (bytes.length !== length) throw fault(name, `${length} bytes as base64url`);
  return bytes;
}

function fault(name: string, allowed: string): TypeError {
  return new TypeError(`${name} of a lane ticket is not ${allowed}`);
}
