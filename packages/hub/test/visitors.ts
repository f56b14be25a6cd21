import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Command, ErrorCode, ServerMessage } from "@zocalo/protocol";
import { FakeConn } from "./fake-conn.ts";
import type { Square } from "./square.ts";

export const GREEDY = { transport: "tcp", host: "203.0.113.7" } as const;
export const HONEST = { transport: "tcp", host: "198.51.100.1" } as const;
/** Also from an address without a session. */
export const PING: Command = { type: "ping", guest: true };

export function codeOf(message: ServerMessage): ErrorCode | undefined {
  return message.type === "error" ? message.code : undefined;
}

/** A client of another address does what clients do. */
export async function honestVisit(t: TestContext, { conn }: Square): Promise<void> {
  const startedAt = process.hrtime.bigint();
  const honest = conn(HONEST);
  assert.equal((await honest.ask({ type: "connect" })).type, "connected");
  const channel = "quiet:honest";
  assert.equal((await honest.ask({ type: "subscribe", channel })).type, "subscribed");
  assert.equal((await honest.ask({ type: "publish", channel, data: "hola" })).type, "published");
  assert.equal((await honest.ask({ type: "history", channel })).type, "history");
  assert.equal((await honest.ask(PING)).type, "pong");
  await honest.until(({ type }) => type === "publication");
  const ms = Number(process.hrtime.bigint() - startedAt) / 1e6;
  t.diagnostic(`five commands of an honest client beside it: ${ms.toFixed(2)} ms`);
  await honest.close();
}

/** A UDP peer that can prove its address. */
export function unproved(plaza: Square, host: string): FakeConn {
  const verification = { cookie: "c00kie", verify: (cookie: string) => cookie === "c00kie" };
  return plaza.conn({ transport: "udp", host, maxSendBytes: 1_200, verification });
}
