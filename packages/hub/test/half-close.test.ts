// A peer that ends its side right behind its commands, as `nc -N` does, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
  type Conn,
  dial,
  type FramedOptions,
  lengthPrefixed,
  lines,
  listen,
  type MessageConn,
} from "@zocalo/net";
import type { ServerMessage } from "@zocalo/protocol";
import { type Committed, MemoryEngine } from "../src/index.ts";
import { square } from "./square.ts";

/** An engine whose commits take their time, as those of a disk do. */
class SlowEngine extends MemoryEngine {
  override async publish(...args: Parameters<MemoryEngine["publish"]>): Promise<Committed> {
    for (let count = 0; count < 20; count++) await turn();
    return super.publish(...args);
  }
}

/** One that says nothing at all. */
class SilentEngine extends MemoryEngine {
  override publish(): Promise<Committed> {
    return new Promise(() => undefined);
  }
}

const publish = (id: number): string => JSON.stringify({ type: "publish", id, channel: "quiet:x", data: id });

type Frame = (conn: Conn, options?: FramedOptions) => MessageConn;

const framings: Record<string, Frame> = {
  lines: (conn, options) => lines(conn, options),
  u32: (conn, options) => lengthPrefixed(conn, "u32", { ...options, messages: "text" }),
};

/** What the hub says to a peer that sends this and ends its side, until the hub ends its own. */
async function saidTo(
  engine: MemoryEngine,
  frame: Frame,
  commands: readonly string[],
  { rest, ...options }: FramedOptions & { readonly rest?: Uint8Array } = {},
): Promise<ServerMessage[]> {
  const { hub } = square({ engine });
  const listener = await listen("tcp", "127.0.0.1:0");
  const conn = await dial("tcp", String(listener.addr));
  hub.accept(frame(await listener.accept(), options));
  const peer = frame(conn);
  for (const command of commands) await peer.send(command);
  await peer.flush();
  if (rest) await conn.write(rest);
  await conn.closeWrite();
  const said: ServerMessage[] = [];
  for await (const message of peer) said.push(JSON.parse(String(message)) as ServerMessage);
  await hub.close();
  await listener.close();
  return said;
}

for (const [name, frame] of Object.entries(framings)) {
  test(`${name}: who ends behind its commands gets all answers, in order, and then the end`, async () => {
    const said = await saidTo(new SlowEngine(), frame, [publish(1), publish(2), publish(3)]);
    const answers = said.map((message) => (message.type === "published" ? message.id : message));
    assert.deepEqual(answers, [1, 2, 3]);
  });

  test(`${name}: an engine that says nothing holds such a connection for as long as close may take`, async () => {
    assert.deepEqual(await saidTo(new SilentEngine(), frame, [publish(1)], { closeTimeoutMs: 1 }), []);
  });
}

test("who sends what is no text is answered what came before, and told why it is over", async () => {
  const rest = Uint8Array.of(0xff, 10);
  const said = await saidTo(new SlowEngine(), (conn) => lines(conn), [publish(1)], { rest });
  const [published, disconnect] = said;
  assert.ok(published?.type === "published" && disconnect?.type === "disconnect", JSON.stringify(said));
  assert.equal(disconnect.code, 1007);
});
