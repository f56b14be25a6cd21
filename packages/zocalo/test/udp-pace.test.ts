// What a UDP client is sent is measured as the settings say.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { on, once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { createLog } from "../src/log.ts";
import { readSettings } from "../src/read-settings.ts";
import { Server } from "../src/server.ts";
import type { SettingName } from "../src/settings.ts";

interface Answer {
  readonly type: string;
  readonly id?: number;
  readonly session?: string;
}

const LARGE = JSON.stringify("x".repeat(40_000));

/** A UDP client that has asked twice for a page of 40 kB; gives what it is answered. */
async function askTwice(t: TestContext, flags: Partial<Record<SettingName, string>>) {
  const all = { host: "127.0.0.1", httpPort: "off", tcpPort: "0", udpPort: "0", drainMs: "0" };
  const settings = readSettings({
    flags: { ...all, logLevel: "silent", engine: "memory", ...flags },
    environment: {},
    directory: "/",
  });
  const server = await Server.open(settings, { pages: undefined, log: createLog(settings) });
  t.after(() => server.stop());
  const { tcp = 0, udp = 0 } = server.ports;
  const publisher = connect(tcp, "127.0.0.1");
  publisher.write(`{"type":"publish","channel":"plaza:x","data":${LARGE}}\n`);
  await once(publisher, "data");
  publisher.destroy();

  const socket = createSocket("udp4");
  t.after(() => socket.close());
  const messages = on(socket, "message");
  const next = async (): Promise<Answer> => {
    const [message] = (await messages.next()).value as [Buffer];
    return JSON.parse(String(message)) as Answer;
  };
  const say = (command: object): void => {
    socket.send(JSON.stringify(command).padEnd(500), udp, "127.0.0.1");
  };
  say({ type: "connect", id: 1, key: "k" });
  const { session } = await next();
  const history = { type: "history", channel: "plaza:x", session };
  say({ ...history, id: 2 });
  const first = await next();
  const firstAt = performance.now();
  say({ ...history, id: 3 });
  say({ type: "ping", id: 4, session });
  return { first, next, firstAt };
}

test("past the bytes that it has earned a client is sent nothing: udpBytesPerByte", async (t) => {
  for (const [flags, ids] of [
    [{ udpBytesPerByte: "1" }, [2, 4]],
    [{}, [2, 3, 4]],
  ] as const) {
    const { first, next } = await askTwice(t, flags);
    const answered = [first.id];
    while (answered.at(-1) !== 4) answered.push((await next()).id);
    assert.deepEqual(answered, ids);
  }
});

test("past the bytes of a second a client is sent the rest when it is time: udpBytesPerSecond", async (t) => {
  const { next, firstAt } = await askTwice(t, { udpBytesPerSecond: "10000" });
  assert.equal((await next()).id, 3);
  // 80,000 bytes, of which 65,536 may go at once; by default it takes a sixteenth of a second.
  assert.ok(performance.now() - firstAt > 1_000);
});
