// The binary form on the wire, over WebSocket and TCP and on both engines: peers of both forms in one
// channel, and frames that are none.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { durable, type Engine, Hub, MemoryEngine, streamFraming } from "@zocalo/hub";
import { dial, framed, type Listener, listen, type MessageConn } from "@zocalo/net";
import {
  BINARY_SUBPROTOCOL,
  type Command,
  decodeBinaryMessage,
  decodeServerMessage,
  encodeBinaryCommand,
  encodeBinaryPublication,
  encodeCommand,
  encodePublication,
  LIMITS,
  type ReceivedCommand,
  type ReceivedMessage,
} from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";

type Form = "json" | "binary";

const made: string[] = [];
process.on("exit", () => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});

const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  memory: async () => new MemoryEngine(),
  async durable() {
    const directory = mkdtempSync(join(tmpdir(), "zocalo-wire-"));
    made.push(directory);
    return durable(directory);
  },
};

/** Answers are larger than commands. */
const LARGE = { maxMessageBytes: 2 ** 21 };

interface Door {
  listen(): Promise<Listener<MessageConn>>;
  dial(address: string, form: Form): Promise<MessageConn>;
}

const doors = {
  WebSocket: {
    listen: () =>
      websocket.listen("127.0.0.1:0", {
        maxMessageBytes: LIMITS.commandBytes,
        subprotocols: [BINARY_SUBPROTOCOL],
      }),
    dial: (address, form) =>
      websocket.dial(`ws://${address}`, {
        ...LARGE,
        subprotocols: form === "binary" ? [BINARY_SUBPROTOCOL] : [],
      }),
  },
  TCP: {
    listen: async () => framed(await listen("tcp", "127.0.0.1:0"), streamFraming),
    dial: async (address) => framed(await dial("tcp", address), streamFraming, LARGE),
  },
} as const satisfies Record<string, Door>;

const namespaces = {
  doc: { subscribe: "anyone", publish: "anyone", data: "bytes" },
  plaza: { subscribe: "anyone", publish: "anyone", presence: true },
} as const;

/** A client of one form, as it stands on the wire. */
class Client {
  readonly conn: MessageConn;
  readonly #form: Form;
  #lastId = 0;

  constructor(conn: MessageConn, form: Form) {
    this.conn = conn;
    this.#form = form;
  }

  async say(command: Command | ReceivedCommand): Promise<void> {
    await this.conn.send(this.#form === "binary" ? encodeBinaryCommand(command) : encodeCommand(command));
  }

  /** The next message, as it came and as it reads. */
  async next(): Promise<{ readonly raw: string | Uint8Array; readonly message: ReceivedMessage }> {
    const raw = await this.conn.receive();
    assert.ok(raw !== null, "the connection has ended");
    assert.equal(typeof raw, this.#form === "binary" ? "object" : "string");
    const message = typeof raw === "string" ? decodeServerMessage(raw) : decodeBinaryMessage(raw);
    assert.ok(message, `no message: ${String(raw)}`);
    return { raw, message };
  }

  async ask(command: Command | ReceivedCommand): Promise<ReceivedMessage> {
    const id = ++this.#lastId;
    await this.say({ ...command, id });
    for (;;) {
      const { message } = await this.next();
      if ("id" in message && message.id === id) return message;
    }
  }

  /** The next message of this type. */
  async until<Type extends ReceivedMessage["type"]>(
    type: Type,
  ): Promise<{
    readonly raw: string | Uint8Array;
    readonly message: Extract<ReceivedMessage, { type: Type }>;
  }> {
    for (;;) {
      const { raw, message } = await this.next();
      if (message.type === type) return { raw, message } as never;
    }
  }
}

async function serve(door: Door, engine: Engine = new MemoryEngine()) {
  const errors: unknown[] = [];
  const hub = new Hub({ namespaces, engine, onError: (error) => errors.push(error) });
  const listener = await door.listen();
  const serving = hub.serve(listener);
  const address = String(listener.addr);
  const clients: Client[] = [];
  return {
    hub,
    address,
    errors,
    async client(form: Form): Promise<Client> {
      const client = new Client(await door.dial(address, form), form);
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const { conn } of clients) conn.abort();
      await hub.close();
      await serving;
    },
  };
}

const PAYLOADS: readonly Uint8Array[] = [
  Uint8Array.from({ length: 256 }, (_, byte) => byte),
  new Uint8Array(),
  Uint8Array.of(0),
  new TextEncoder().encode('{"type":"disconnect"}\n'),
  new Uint8Array(randomBytes(LIMITS.dataBytes)),
];
const TEXTS = [
  '{"n":1688888483063664642,"z":-0,"b":1e400,"a":1,"a":2,"s":"\\ud800"}',
  '{"__proto__":{"bytes":"AAEC"},"data":{"data":1}}',
  '"ñ😀\\u0000"',
];

for (const [name, make] of Object.entries(engines)) {
  for (const [door, way] of Object.entries(doors)) {
    test(`${name}, ${door}: peers of both forms have byte for byte what either published`, async () => {
      await using server = await serve(way, await make());
      const [binary, json] = [await server.client("binary"), await server.client("json")];
      const readers = [binary, json];
      for (const reader of readers) {
        for (const channel of ["doc:x", "plaza:x"]) {
          assert.equal((await reader.ask({ type: "subscribe", channel })).type, "subscribed");
        }
      }
      const published: { readonly channel: string; readonly data: string | Uint8Array }[] = [];
      for (const writer of readers) {
        for (const data of PAYLOADS) {
          published.push({ channel: "doc:x", data });
          await writer.say({ type: "publish", channel: "doc:x", data });
        }
        for (const text of TEXTS) {
          published.push({ channel: "plaza:x", data: text });
          await writer.say({ type: "publish", channel: "plaza:x", data: null, json: text });
        }
        for (const { channel, data } of published.splice(0)) {
          for (const reader of readers) {
            const { raw, message } = await reader.until("publication");
            assert.equal(message.channel, channel);
            const { offset, at, user } = message;
            const stored = { offset, at, user, data };
            if (typeof raw === "string") assert.equal(raw, encodePublication(channel, stored));
            else assert.deepEqual(Buffer.from(raw), Buffer.from(encodeBinaryPublication(channel, stored)));
          }
        }
      }
      for (const reader of readers) {
        const page = await reader.ask({ type: "history", channel: "doc:x" });
        assert.ok(page.type === "history");
        const kept = page.publications.map(({ data }) => Buffer.from(data as Uint8Array));
        const expected = [...PAYLOADS, ...PAYLOADS].map((bytes) => Buffer.from(bytes));
        assert.deepEqual(kept, expected.slice(-kept.length));
        assert.ok(kept.length > PAYLOADS.length);
        const texts = await reader.ask({ type: "history", channel: "plaza:x" });
        assert.ok(texts.type === "history");
        assert.deepEqual(
          texts.publications.map(({ json: text }) => text),
          [...TEXTS, ...TEXTS],
        );
      }
      assert.deepEqual(server.errors, []);
    });
  }
}

test("what was acknowledged as bytes is there for both forms when the server was started again", async () => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-wire-"));
  made.push(directory);
  let since = { epoch: "", offset: 0 };
  {
    await using server = await serve(doors.TCP, await durable(directory));
    const ana = await server.client("binary");
    for (const data of PAYLOADS) {
      const answer = await ana.ask({ type: "publish", channel: "doc:x", data });
      assert.ok(answer.type === "published");
      since = { epoch: answer.epoch, offset: 1 };
    }
  }
  await using server = await serve(doors.WebSocket, await durable(directory));
  for (const form of ["binary", "json"] as const) {
    const reader = await server.client(form);
    const answer = await reader.ask({ type: "subscribe", channel: "doc:x", since });
    assert.ok(answer.type === "subscribed" && answer.recovered);
    for (const data of PAYLOADS.slice(1)) {
      const { message } = await reader.until("publication");
      assert.deepEqual(Buffer.from(message.data as Uint8Array), Buffer.from(data));
    }
  }
});

test("a page of presence, its changes and the server's pings come in the binary form", async () => {
  await using server = await serve(doors.TCP);
  const ana = await server.client("binary");
  const begun = await ana.ask({ type: "connect", info: { name: "Ana" }, answersPings: true, version: 1 });
  assert.ok(begun.type === "connected" && (begun.keyMs ?? 0) > 0);
  const subscribed = await ana.ask({
    type: "subscribe",
    channel: "plaza:x",
    presence: true,
    gather: true,
    session: begun.session,
  });
  assert.ok(subscribed.type === "subscribed");
  assert.deepEqual(subscribed.presence?.users, [{ user: begun.user, info: { name: "Ana" }, connections: 1 }]);
  const ben = await server.client("json");
  await ben.ask({ type: "subscribe", channel: "plaza:x" });
  const { message } = await ana.until("changes");
  assert.deepEqual([message.total, message.changes[0]?.type], [2, "join"]);
  const page = await ana.ask({ type: "presence", channel: "plaza:x", limit: 1 });
  assert.ok(page.type === "presence" && page.next !== undefined && page.total === 2);
  const rest = await ana.ask({ type: "presence", channel: "plaza:x", after: page.next });
  assert.ok(rest.type === "presence" && rest.users.length === 1 && rest.next === undefined);
  const elsewhere = await ana.ask({ type: "ping", session: "another" });
  assert.ok(elsewhere.type === "error" && elsewhere.code === "unknown_session");
});

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

/** Whole frames that are no commands, and what is answered. */
const BAD: readonly (readonly [name: string, bytes: string, code: string])[] = [
  ["of an unknown type", "bf 00", "unknown_command"],
  ["of a type that only servers send", "a0 00", "unknown_command"],
  ["with a key and no value", "87 01 02", "bad_command"],
  ["with a member longer than the message", "87 03 1b 7f 61", "bad_command"],
  ["with a member of 2^53 - 1 bytes", "87 09 1b ff ff ff ff ff ff ff 0f", "bad_command"],
  ["with a member of 2^53 bytes", "87 09 1b 80 80 80 80 80 80 80 10", "bad_command"],
  ["with a number of 2^53", "87 09 02 80 80 80 80 80 80 80 10", "bad_command"],
  ["with a number of nine bytes", "87 0a 02 80 80 80 80 80 80 80 80 01", "bad_command"],
  ["with a number that is not minimal", "87 03 02 87 00", "bad_command"],
  ["with a length that is not minimal", "87 80 00", "bad_command"],
  ["with a text that is not UTF-8", "83 03 05 01 ff", "bad_command"],
  ["with data that is not JSON", "84 06 05 01 61 0b 01 7b", "bad_command"],
  ["with data beside bytes", "84 09 05 01 61 0b 01 31 0d 01 00", "bad_command"],
  ["with a flag of two", "82 05 05 01 61 24 02", "bad_command"],
];

for (const [door, way] of Object.entries(doors)) {
  test(`${door}: each frame that is no command is answered so, and the connection goes on`, async () => {
    await using server = await serve(way);
    const [eve, ana] = [await server.client("binary"), await server.client("json")];
    assert.equal((await eve.ask({ type: "ping" })).type, "pong");
    for (const [name, bytes, code] of BAD) {
      await eve.conn.send(hex(bytes));
      const { message } = await eve.next();
      assert.ok(message.type === "error", `${name}: ${message.type}`);
      assert.equal(message.code, code, name);
      assert.equal((await eve.ask({ type: "ping" })).type, "pong", name);
      assert.equal((await ana.ask({ type: "ping" })).type, "pong", name);
    }
    assert.deepEqual(server.errors, []);
  });

  test(`${door}: a command at the limit is carried out, and one past it ends the connection with 1009`, async () => {
    await using server = await serve(way);
    const eve = await server.client("binary");
    const padded = (length: number): Buffer => {
      const padding = length - 10; // a type, and three bytes each for both lengths and the key
      const varint = (value: number) => [(value % 128) | 128, ((value >> 7) % 128) | 128, value >> 14];
      const member = [0xd1, 0x8f, 0x01, ...varint(padding)];
      return Buffer.from([0x87, ...varint(padding + 6), ...member, ...new Uint8Array(padding)]);
    };
    assert.equal(padded(LIMITS.commandBytes).length, LIMITS.commandBytes);
    await eve.conn.send(padded(LIMITS.commandBytes));
    assert.equal((await eve.next()).message.type, "pong");
    const mallory = await server.client("binary");
    const end = endOf(mallory);
    mallory.conn.trySend(padded(LIMITS.commandBytes + 1));
    assert.equal(await end, 1009);
    const ana = await server.client("binary");
    assert.equal((await ana.ask({ type: "ping" })).type, "pong");
  });
}

/** The code with which the server ends it, by a `disconnect` or a Close frame. */
function endOf({ conn }: Client): Promise<number> {
  return new Promise((resolve) => {
    let said: number | undefined;
    conn.serve({
      message(message) {
        const read =
          typeof message === "string" ? decodeServerMessage(message) : decodeBinaryMessage(message);
        if (read?.type === "disconnect") said = read.code;
      },
      close: ({ code }) => resolve(said ?? code),
    });
  });
}

test("WebSocket: frames that are cut short, or go on too long, are answered", async () => {
  await using server = await serve(doors.WebSocket);
  const eve = await server.client("binary");
  const good = encodeBinaryCommand({ type: "subscribe", id: 5, channel: "plaza:x" });
  const frames = [
    hex("87"),
    hex("87 ff ff ff ff ff ff ff 0f"),
    Buffer.concat([good, good]),
    hex("7b 7d"),
    hex(""),
  ];
  for (let length = 1; length < good.length; length++) frames.push(Buffer.from(good.subarray(0, length)));
  for (const frame of frames) {
    await eve.conn.send(frame);
    const { message } = await eve.next();
    assert.ok(message.type === "error" && message.code === "bad_command", frame.toString("hex"));
  }
  assert.equal((await eve.ask({ type: "ping" })).type, "pong");
});

test("WebSocket: a message of the form that was not agreed on closes with 1003", async () => {
  await using server = await serve(doors.WebSocket);
  const [binary, json] = [await server.client("binary"), await server.client("json")];
  const ends = Promise.all([endOf(binary), endOf(json)]);
  binary.conn.trySend('{"type":"ping"}');
  json.conn.trySend(encodeBinaryCommand({ type: "ping" }));
  assert.deepEqual(await ends, [1003, 1003]);
});

/** What a server sends to who writes these bytes, until it has ended the stream. */
async function answerTo(address: string, ...parts: readonly Uint8Array[]): Promise<Buffer> {
  await using conn = await dial("tcp", address);
  const came: Uint8Array[] = [];
  for (const part of parts) await conn.write(part);
  for (let bytes = await conn.read(); bytes !== null; bytes = await conn.read()) came.push(bytes);
  return Buffer.concat(came);
}

test("TCP: a length past the limit is refused before a byte of it is there, in the form of the peer", async () => {
  await using server = await serve(doors.TCP);
  const ping = encodeBinaryCommand({ type: "ping" });
  for (const [code, bytes] of [
    [1009, "87 81 80 04"], // one past 65,536 with its head
    [1009, "87 ff ff ff ff 0f"],
    [1009, "87 ff ff ff ff ff ff ff 0f"],
    [1009, "87 80 80 80 80 80 80 80 80 80 01"],
    [1002, "7b 7d 0a"],
    [1002, "c0 00"],
  ] as const) {
    const came = await answerTo(server.address, ping, hex(bytes));
    assert.deepEqual(came.subarray(0, 2), hex("88 00"), "the answer to the ping");
    const last = decodeBinaryMessage(came.subarray(2));
    assert.ok(last?.type === "disconnect", `${bytes}: ${came.toString("hex")}`);
    assert.equal(last.code, code, bytes);
  }
  const first = (await answerTo(server.address, hex("87 ff ff ff ff ff 0f"))).toString();
  assert.match(first, /^\{"type":"disconnect","code":1009,/, "before there was a message it is a line");
});
