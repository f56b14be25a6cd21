// Channels of bytes, and the two forms in which they, and all else, are carried.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { dial, framed, type Listener, listen, type MessageConn } from "@zocalo/net";
import {
  type Command,
  decodeBinaryMessage,
  decodeServerMessage,
  encodeBinaryCommand,
  encodeCommand,
  ProtocolError,
  type ReceivedMessage,
  type ServerMessage,
} from "@zocalo/protocol";
import { PublicationMessage, TextMessage } from "../src/channel/shared-message.ts";
import { type Engine, Hub, MemoryEngine, streamFraming } from "../src/index.ts";
import { temporaryStore } from "./durable-store.ts";
import { square } from "./square.ts";

const namespaces = {
  doc: { subscribe: "anyone", publish: "anyone", data: "bytes", maxDataLength: 1_000, presence: true },
  quiet: { subscribe: "anyone", publish: "anyone" },
} as const;
const BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);

const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = {
  memory: () => new MemoryEngine(),
  durable: () => temporaryStore(),
};

function codeOf(message: ServerMessage | ReceivedMessage): string | undefined {
  return message.type === "error" ? message.code : undefined;
}

/** A client over TCP that speaks one of the forms. */
class Client {
  readonly #conn: MessageConn;
  readonly #isBinary: boolean;

  constructor(conn: MessageConn, isBinary: boolean) {
    this.#conn = conn;
    this.#isBinary = isBinary;
  }

  async say(command: Command): Promise<void> {
    await this.#conn.send(this.#isBinary ? encodeBinaryCommand(command) : encodeCommand(command));
  }

  async next(): Promise<ReceivedMessage> {
    const message = await this.#conn.receive();
    assert.ok(message !== null);
    assert.equal(typeof message, this.#isBinary ? "object" : "string");
    const read = typeof message === "string" ? decodeServerMessage(message) : decodeBinaryMessage(message);
    assert.ok(read);
    return read;
  }

  async ask(command: Command): Promise<ReceivedMessage> {
    await this.say({ ...command, id: 7 });
    for (;;) {
      const message = await this.next();
      if ("id" in message && message.id === 7) return message;
    }
  }

  /** The next publication. Before one's own may come that it was published: a loaded hub tells it later. */
  async publication(): Promise<Extract<ReceivedMessage, { type: "publication" }>> {
    for (;;) {
      const message = await this.next();
      if (message.type === "publication") return message;
      assert.equal(message.type, "published");
    }
  }

  close(): Promise<void> {
    return this.#conn.close();
  }
}

interface Streams extends AsyncDisposable {
  readonly hub: Hub;
  readonly engine: Engine;
  readonly client: (form: "json" | "binary") => Promise<Client>;
}

async function streams(engine: Engine = new MemoryEngine()): Promise<Streams> {
  const hub = new Hub({ namespaces, engine });
  const listener: Listener<MessageConn> = framed(await listen("tcp", "127.0.0.1:0"), streamFraming);
  const serving = hub.serve(listener);
  const clients: Client[] = [];
  return {
    hub,
    engine,
    async client(form) {
      const conn = framed(await dial("tcp", String(listener.addr)), streamFraming);
      const client = new Client(conn, form === "binary");
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close()));
      await hub.close();
      await serving;
    },
  };
}

for (const [engine, make] of Object.entries(engines)) {
  for (const form of ["binary", "json"] as const) {
    test(`${engine}: bytes that were published in ${form} arrive in both forms, live and from the log`, async () => {
      await using it = await streams(await make());
      const ana = await it.client(form);
      const readers = [await it.client("binary"), await it.client("json")];
      for (const reader of readers) await reader.ask({ type: "subscribe", channel: "doc:x" });
      const done = await ana.ask({ type: "publish", channel: "doc:x", data: BYTES, key: "k" });
      assert.equal(done.type, "published");
      const again = await ana.ask({ type: "publish", channel: "doc:x", data: BYTES, key: "k" });
      assert.ok(again.type === "published" && again.duplicate);
      for (const reader of readers) {
        const live = await reader.next();
        assert.ok(live.type === "publication");
        assert.deepEqual(bytesOf(live.data), BYTES);
        const page = await reader.ask({ type: "history", channel: "doc:x" });
        assert.ok(page.type === "history");
        assert.deepEqual(bytesOf(page.publications[0]?.data), BYTES);
        await reader.ask({ type: "unsubscribe", channel: "doc:x" });
        await reader.ask({ type: "subscribe", channel: "doc:x", last: 1 });
        const read = await reader.next();
        assert.ok(read.type === "publication");
        assert.deepEqual(bytesOf(read.data), BYTES);
      }
    });
  }
}

/** What stands in a part of a message, as bytes of its own. */
function bytesOf(data: unknown): Uint8Array {
  assert.ok(data instanceof Uint8Array);
  return new Uint8Array(data);
}

test("JSON goes through the binary form to the letter", async () => {
  await using it = await streams();
  const [ana, tina] = [await it.client("binary"), await it.client("json")];
  await ana.ask({ type: "connect", info: { name: "Ana" } });
  for (const client of [ana, tina]) await client.ask({ type: "subscribe", channel: "quiet:x" });
  const json = '{"n":1688888483063664642,"z":-0,"b":1e400,"a":1,"a":2,"s":"\\ud800"}';
  await ana.say({ type: "publish", channel: "quiet:x", data: 0, json } as Command);
  for (const client of [ana, tina]) {
    const heard = await client.publication();
    assert.equal(heard.json, json);
    assert.deepEqual(heard.info, { name: "Ana" });
  }
});

test("a channel takes bytes or JSON, never both, up to its limit and not one past it", async () => {
  await using it = await streams();
  for (const form of ["binary", "json"] as const) {
    const ana = await it.client(form);
    const publish = (channel: string, data: Uint8Array | number) =>
      ana.ask({ type: "publish", channel, data });
    assert.equal(codeOf(await publish("doc:x", 1)), "bad_command");
    assert.equal(codeOf(await publish("quiet:x", BYTES)), "bad_command");
    assert.equal((await publish("doc:x", new Uint8Array(1_000))).type, "published");
    assert.equal(codeOf(await publish("doc:x", new Uint8Array(1_001))), "too_large");
    assert.equal((await publish("doc:x", new Uint8Array(0))).type, "published");
  }
  await assert.rejects(it.hub.publish("doc:x", "text"), ProtocolError);
  await assert.rejects(it.hub.publish("quiet:x", BYTES), ProtocolError);
  const mine = BYTES.slice();
  const published = it.hub.publish("doc:x", mine);
  mine.fill(0);
  await published;
  const page = await (await it.client("binary")).ask({ type: "history", channel: "doc:x", limit: 1 });
  assert.ok(page.type === "history");
  assert.deepEqual(bytesOf(page.publications[0]?.data), BYTES, "a copy is kept");
});

test("what is not base64 is refused, and so are bytes beside data", async () => {
  const { hub, conn } = square({ namespaces });
  const ana = conn();
  for (const fields of ['"bytes":"AA"', '"bytes":7', '"bytes":"AAAA","data":1', '"bytes":null']) {
    ana.say(`{"type":"publish","id":1,"channel":"doc:x",${fields}}`);
    assert.equal(codeOf(ana.received.at(-1) as ServerMessage), "bad_command", fields);
  }
  await hub.close();
});

test("every push and error has its binary form, and a message of the other one ends the connection", async () => {
  await using it = await streams();
  const [ana, tina] = [await it.client("binary"), await it.client("json")];
  const begun = await ana.ask({ type: "subscribe", channel: "doc:x", presence: true });
  assert.ok(begun.type === "subscribed" && begun.presence);
  await tina.ask({ type: "subscribe", channel: "doc:x" });
  assert.equal((await ana.next()).type, "join");
  assert.equal(codeOf(await ana.ask({ type: "publish", channel: "nowhere:x", data: 1 })), "unknown_channel");
  assert.equal((await ana.ask({ type: "presence", channel: "doc:x" })).type, "presence");
  await tina.ask({ type: "unsubscribe", channel: "doc:x" });
  assert.equal((await ana.next()).type, "leave");
  assert.equal((await ana.ask({ type: "ping" })).type, "pong");
});

/** How often a message was made in each form while `run` ran. */
async function made(
  of: { readonly prototype: object },
  run: () => Promise<void>,
): Promise<{ readonly text: number; readonly binary: number }> {
  const makers = of.prototype as Record<"makeText" | "makeBinary", () => unknown>;
  const spies = (["makeText", "makeBinary"] as const).map((name) => mock.method(makers, name));
  try {
    await run();
    const [text = 0, binary = 0] = spies.map((spy) => spy.mock.callCount());
    return { text, binary };
  } finally {
    for (const spy of spies) spy.mock.restore();
  }
}

test("a publication is made once in each form that a subscriber speaks, and in no other", async () => {
  for (const [json, binary] of [
    [3, 3],
    [3, 0],
    [0, 3],
  ] as const) {
    await using it = await streams();
    const ana = await it.client("json");
    const forms = [...Array<"json">(json).fill("json"), ...Array<"binary">(binary).fill("binary")];
    const readers = await Promise.all(forms.map((form) => it.client(form)));
    for (const reader of readers) await reader.ask({ type: "subscribe", channel: "doc:x" });
    const live = await made(PublicationMessage, async () => {
      await ana.ask({ type: "publish", channel: "doc:x", data: BYTES });
      for (const reader of readers) assert.equal((await reader.next()).type, "publication");
    });
    assert.deepEqual(live, { text: json && 1, binary: binary && 1 });
    const catchingUp = await made(PublicationMessage, async () => {
      for (const reader of readers) {
        await reader.say({ type: "unsubscribe", channel: "doc:x" });
        await reader.say({ type: "subscribe", channel: "doc:x", last: 1 });
      }
      for (const reader of readers) while ((await reader.next()).type !== "publication");
    });
    assert.ok(catchingUp.text <= json && catchingUp.binary <= binary);
  }
});

test("who comes is told in each form that those who watch speak, made once", async () => {
  await using it = await streams();
  const readers = [await it.client("json"), await it.client("binary"), await it.client("binary")];
  for (const reader of readers) {
    await reader.ask({ type: "subscribe", channel: "doc:x", presence: true, gather: true, hidden: true });
  }
  const tina = await it.client("json");
  const told = await made(TextMessage, async () => {
    await tina.ask({ type: "subscribe", channel: "doc:x" });
    for (const reader of readers) {
      const changes = await reader.next();
      assert.ok(changes.type === "changes");
      assert.deepEqual([changes.total, changes.changes.map(({ type }) => type)], [1, ["join"]]);
    }
  });
  assert.deepEqual(told, { text: 1, binary: 1 });
});

test("a datagram is JSON, whatever its first byte", async () => {
  const { hub, conn } = square({ namespaces });
  const ana = conn({ transport: "udp" });
  for (let count = 0; count < 2; count++) {
    ana.say(encodeBinaryCommand({ type: "connect", id: 1 }));
    assert.equal(codeOf(ana.received.at(-1) as ServerMessage), "bad_json");
  }
  assert.equal((await ana.ask({ type: "connect" })).type, "connected");
  await hub.close();
});

for (const [engine, make] of Object.entries(engines)) {
  test(`${engine}: what was published before its namespace was changed stays what it was`, async () => {
    await using it = await streams(await make());
    const publication = { user: "ana", data: "[1]" };
    const retention = { publications: 10, bytes: 1_000, ttlMs: 60_000, keyMs: 0 };
    await it.engine.publish("doc:x", publication, retention);
    await it.engine.publish("doc:x", { ...publication, data: BYTES }, retention);
    for (const form of ["json", "binary"] as const) {
      const reader = await it.client(form);
      const page = await reader.ask({ type: "history", channel: "doc:x" });
      assert.ok(page.type === "history");
      assert.deepEqual(
        page.publications.map(({ data, json }) => [json, json === "" ? bytesOf(data) : data]),
        [
          ["[1]", [1]],
          ["", BYTES],
        ],
      );
    }
  });
}

test("what has no room now waits, and what never has is told as a gap, by its size in the form of the peer", async () => {
  const history = { bytes: 10_000_000 };
  const large = { doc: { ...namespaces.doc, maxDataLength: 100_000, history } };
  // In base64 it takes 80,000 bytes and more, as it is 60,000.
  const most = 70_000;
  const hub = new Hub({ namespaces: large });
  const listener = framed(await listen("tcp", "127.0.0.1:0"), streamFraming, {
    maxMessageBytes: 200_000,
    sendLimitBytes: most,
  });
  const serving = hub.serve(listener);
  const connect = async (form: "binary" | "json"): Promise<Client> => {
    const conn = framed(await dial("tcp", String(listener.addr)), streamFraming, {
      maxMessageBytes: 200_000,
    });
    return new Client(conn, form === "binary");
  };
  const [binary, json] = [await connect("binary"), await connect("json")];
  for (const reader of [binary, json]) await reader.ask({ type: "subscribe", channel: "doc:x" });
  const data = new Uint8Array(60_000).fill(7);
  // More than there is room for at once.
  for (let count = 0; count < 50; count++) await hub.publish("doc:x", data);
  for (let offset = 1; offset <= 50; offset++) {
    const heard = await binary.next();
    assert.ok(heard.type === "publication", heard.type);
    assert.equal(heard.offset, offset);
    assert.deepEqual(bytesOf(heard.data), data);
  }
  for (let to = 0; to < 50; ) {
    const heard = await json.next();
    assert.ok(heard.type === "gap", heard.type);
    assert.equal(heard.from, to + 1);
    to = heard.to;
  }
  for (const reader of [binary, json]) await reader.close();
  await hub.close();
  await serving;
});
