// A namespace that takes a mebibyte: at its limit and one past it, through every door of the server.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dial, lines, type MessageConn, NetError } from "@zocalo/net";
import { commandBytesFor, LIMITS, type ServerMessage } from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";
import { Zocalo } from "./zocalo-process.ts";

const LARGE = { subscribe: "anyone", publish: "anyone", maxDataLength: LIMITS.largestDataLength } as const;
const NAMESPACES = {
  large: { ...LARGE, history: { bytes: 8 * 1_048_576 } },
  usual: { subscribe: "anyone", publish: "anyone" },
};
const COMMAND_BYTES = commandBytesFor(LIMITS.largestDataLength);
/** The JSON text of a `data` at the limit. */
const AT_LIMIT = `"${"x".repeat(LIMITS.largestDataLength - 2)}"`;
const PAST_LIMIT = `"${"x".repeat(LIMITS.largestDataLength - 1)}"`;
/** Other namespaces take what they took. */
const PAST_USUAL = `"${"x".repeat(LIMITS.dataLength)}"`;
/** Receives until a message of this type comes. */
async function next<Type extends ServerMessage["type"]>(
  conn: MessageConn,
  type: Type,
): Promise<Extract<ServerMessage, { type: Type }>> {
  for (;;) {
    const text = await conn.receive();
    assert.ok(text !== null, `the connection ended before ${type}`);
    const message = JSON.parse(String(text)) as ServerMessage;
    if (message.type === type) return message as Extract<ServerMessage, { type: Type }>;
  }
}

/** On a connection of its own: a mebibyte counts for all that one may say at once. */
async function ask(open: () => Promise<MessageConn>, text: string): Promise<ServerMessage> {
  await using conn = await open();
  await conn.send(text);
  return JSON.parse(String(await conn.receive())) as ServerMessage;
}

function publish(channel: string, data: string): string {
  return `{"type":"publish","channel":"${channel}","data":${data}}`;
}

/** What clients of such a namespace need: the default of either transport is less. */
const ROOM = { maxMessageBytes: 4 * 1_048_576, sendLimitBytes: 4 * 1_048_576 };
const DOORS = {
  webSocket: (port: number) => websocket.dial(`ws://127.0.0.1:${port}/ws`, ROOM),
  tcp: async (port: number) => lines(await dial("tcp", `127.0.0.1:${port}`), ROOM),
};

for (const engine of ["memory", "durable"]) {
  test(`a publication of 1 MiB passes where its namespace says so, and one past it does not (${engine})`, async () => {
    const directory = mkdtempSync(join(tmpdir(), "large-"));
    const file = join(directory, "zocalo.json");
    writeFileSync(file, JSON.stringify({ namespaces: NAMESPACES }));
    await using zocalo = new Zocalo(
      ["serve", "--config", file, "--http-port", "0", "--tcp-port", "0", "--udp-port", "0"],
      { ZOCALO_ENGINE: engine, ZOCALO_DATA: join(directory, "data") },
    );
    const ports = {
      webSocket: await zocalo.port("stdout", /WebSocket +ws:\/\/localhost:(\d+)[^]*stops it/),
      tcp: await zocalo.port("stdout", /TCP +localhost:(\d+)/),
      udp: await zocalo.port("stdout", /UDP +localhost:(\d+)/),
    };
    await using reader1 = await DOORS.webSocket(ports.webSocket);
    await using reader2 = await DOORS.tcp(ports.tcp);
    const readers = [reader1, reader2];
    for (const reader of readers) {
      await reader.send('{"type":"subscribe","channel":"large:x"}');
      await next(reader, "subscribed");
    }
    await using device = await dial("udp", `127.0.0.1:${ports.udp}`);
    const say = async (text: string): Promise<ServerMessage> => {
      await device.send(Buffer.from(text));
      return JSON.parse(Buffer.from((await device.receive()) ?? []).toString()) as ServerMessage;
    };
    const told = await say('{"type":"connect"}');
    assert.ok(told.type === "connected");
    assert.equal(told.commandBytes, LIMITS.datagramBytes);
    await say('{"type":"subscribe","channel":"large:x"}');

    for (const [index, door] of (["webSocket", "tcp"] as const).entries()) {
      const open = (): Promise<MessageConn> => DOORS[door](ports[door]);
      await using conn = await open();
      await conn.send('{"type":"connect"}');
      assert.equal((await next(conn, "connected")).commandBytes, COMMAND_BYTES);
      const published = await ask(open, publish("large:x", AT_LIMIT));
      assert.ok(published.type === "published");
      assert.equal(published.offset, index + 1, door);
      for (const reader of readers) {
        const { offset, data } = await next(reader, "publication");
        assert.deepEqual([offset, JSON.stringify(data) === AT_LIMIT], [index + 1, true]);
      }
      const gap = JSON.parse(Buffer.from((await device.receive()) ?? []).toString()) as ServerMessage;
      assert.ok(gap.type === "gap", "a datagram does not hold it");
      assert.deepEqual([gap.from, gap.to], [index + 1, index + 1]);
      for (const past of [publish("large:x", PAST_LIMIT), publish("usual:x", PAST_USUAL)]) {
        const refused = await ask(open, past);
        assert.ok(refused.type === "error");
        assert.equal(refused.code, "too_large");
      }
      const page = await ask(open, '{"type":"history","channel":"large:x"}');
      assert.ok(page.type === "history");
      assert.equal(page.publications.length, 1, "one fills a page");
      assert.equal((await ask(open, '{"type":"ping"}'.padEnd(COMMAND_BYTES))).type, "pong");
      await conn.send('{"type":"ping"}'.padEnd(COMMAND_BYTES + 1)).catch(() => undefined); // told below
      const end = door === "tcp" ? (await next(conn, "disconnect")).code : await closeCode(conn);
      assert.equal(end, 1009, door);
    }

    const history = await say('{"type":"history","channel":"large:x"}');
    assert.ok(history.type === "error");
    assert.equal(history.code, "too_large");
    assert.match(history.message, /publication 2 does not fit in an answer of 65\d{3} bytes/);
    assert.equal((await say('{"type":"ping"}'.padEnd(LIMITS.datagramBytes))).type, "pong");
    await assert.rejects(
      device.send(Buffer.from('{"type":"ping"}'.padEnd(LIMITS.datagramBytes + 1))),
      (error) => error instanceof NetError && error.code === "too_large",
    );
  });
}

async function closeCode(conn: MessageConn): Promise<number> {
  return new Promise((resolve) => {
    conn.serve({ message: () => undefined, close: ({ code }) => resolve(code) });
  });
}
