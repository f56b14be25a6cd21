// One time for every door: within `presenceTimeoutMs` a user who vanished without a word is gone.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { Command, ServerMessage } from "@zocalo/protocol";
import { dial } from "@zocalo/websocket";
import { createLog } from "../src/log.ts";
import { readSettings } from "../src/read-settings.ts";
import { Server } from "../src/server.ts";

const TIMEOUT_MS = 3_000;
const CHANNEL = "plaza:general";

/** Passes bytes on until it goes silent; what it holds stays open. */
async function relayTo(port: number) {
  const pairs: (readonly [Socket, Socket])[] = [];
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) socket.on("error", () => undefined);
    near.pipe(far);
    far.pipe(near);
    pairs.push([near, far]);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    goSilent() {
      for (const [near, far] of pairs) {
        near.unpipe(far).pause();
        far.unpipe(near).pause();
      }
    },
    close() {
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
  };
}

test("over WebSocket, TCP with and without pings, and UDP a user who vanished is gone in the one time, and others stay", async (t) => {
  const flags = {
    host: "127.0.0.1",
    httpPort: "0",
    tcpPort: "0",
    udpPort: "0",
    drainMs: "0",
    logLevel: "silent",
    engine: "memory",
    presenceTimeoutMs: String(TIMEOUT_MS),
  };
  const settings = readSettings({ flags, environment: {}, directory: "/" });
  const server = await Server.open(settings, { pages: undefined, log: createLog(settings) });
  const { http = 0, tcp = 0, udp = 0 } = server.ports;
  const [web, lines] = [await relayTo(http), await relayTo(tcp)];

  const watcher = connect(tcp, "127.0.0.1").on("error", () => undefined);
  const heard = createInterface({ input: watcher });
  const say = (socket: Socket, command: Command): void => void socket.write(`${JSON.stringify(command)}\n`);
  const present = new Set<string>();
  let wake = (): void => undefined;
  heard.on("line", (line) => {
    const message = JSON.parse(line) as ServerMessage;
    if (message.type === "ping") say(watcher, { type: "pong" });
    if (message.type !== "changes") return;
    for (const { type, info } of message.changes) {
      const name = JSON.stringify(info?.["name"]).slice(1, -1);
      if (name === "watcher") continue;
      if (type === "join") present.add(name);
      else present.delete(name);
    }
    wake();
  });
  const until = async (names: readonly string[]): Promise<void> => {
    while ([...present].toSorted().join() !== [...names].toSorted().join()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const enter = (name: string, more: object = {}): string[] => [
    JSON.stringify({ type: "connect", info: { name }, ...more }),
    JSON.stringify({ type: "subscribe", channel: CHANNEL }),
  ];
  t.after(async () => {
    watcher.destroy();
    for (const relay of [web, lines]) relay.close();
    await server.stop();
  });
  const socket = await dial(`ws://127.0.0.1:${web.port}/ws`);
  say(watcher, { type: "connect", info: { name: "watcher" }, answersPings: true });
  say(watcher, { type: "subscribe", channel: CHANNEL, presence: true, gather: true });
  await once(heard, "line");
  const device = createSocket("udp4");
  for (const command of enter("UDP")) device.send(command, udp, "127.0.0.1");
  for (const command of enter("WebSocket")) await socket.send(command);
  const [asked, unasked] = [connect(lines.port, "127.0.0.1"), connect(lines.port, "127.0.0.1")];
  for (const one of [asked, unasked]) one.on("error", () => undefined);
  asked.write(`${enter("asked", { answersPings: true }).join("\n")}\n`);
  unasked.write(`${enter("unasked").join("\n")}\n`);
  const honest = connect(tcp, "127.0.0.1").on("error", () => undefined);
  createInterface({ input: honest }).on("line", (line) => {
    if (line.includes('"ping"')) say(honest, { type: "pong" });
  });
  honest.write(`${enter("honest", { answersPings: true }).join("\n")}\n`);
  await until(["UDP", "WebSocket", "asked", "honest", "unasked"]);

  for (const relay of [web, lines]) relay.goSilent();
  device.close();
  const startedAt = performance.now();
  await until(["honest"]);
  t.diagnostic(`all gone after ${Math.round(performance.now() - startedAt)} of ${TIMEOUT_MS} ms`);
  assert.deepEqual([...present], ["honest"]);
});
