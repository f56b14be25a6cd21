// Calls over each transport, by real sockets: WebSocket in both forms, TCP lines, a stream of the binary form
// and datagrams; and the SDK over those that it can speak.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CallError as Refused, ChannelError, connect, type ConnectOptions } from "@zocalo/client";
import { binaryDial } from "@zocalo/client/binary";
import { CallError, Hub, streamFraming } from "@zocalo/hub";
import { dial, framed, lines, listen, listenPacket, peers } from "@zocalo/net";
import {
  BINARY_SUBPROTOCOL,
  type Command,
  decodeBinaryMessage,
  decodeServerMessage,
  encodeBinaryCommand,
  encodeCommand,
  type ReceivedMessage,
} from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";

/** A client that says what it says in one form. */
interface Peer {
  say(command: Command): Promise<void>;
  /** The next message but pings. */
  next(): Promise<ReceivedMessage>;
  close(): Promise<void>;
}

const BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const hub = new Hub({
  namespaces: { plaza: { subscribe: "anyone", publish: "anyone" } },
  onError: (error) => reported.push(error),
});
const reported: unknown[] = [];
/** Aborted calls of `wait`, by what they were given. */
const aborted = new Map<unknown, unknown>();
let ran = 0;
hub.handle("echo", (_, input) => input);
hub.handle("add", async (_, input) => (input as number[]).reduce((sum, n) => sum + n, 0));
hub.handle("count", () => ++ran);
hub.handle("refuse", () => {
  throw new CallError("sold_out", "no more", BYTES);
});
hub.handle("break", () => Promise.reject(new Error("a secret")));
hub.handle("wait", ({ signal }, input) => {
  const what = typeof input === "string" ? input : "";
  waits.get(what)?.();
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      aborted.set(what, signal.reason);
      waits.get(`${what} aborted`)?.();
      reject(signal.reason as Error);
    });
  });
});
const waits = new Map<unknown, () => void>();
/** Resolves when a call of `wait` is given this, or has been aborted. */
const happens = (what: string): Promise<void> => new Promise((resolve) => waits.set(what, resolve));

const urls = { ws: "", tcp: "", udp: "" };
before(async () => {
  const web = await websocket.listen("127.0.0.1:0", { subprotocols: [BINARY_SUBPROTOCOL] });
  const tcp = await listen("tcp", "127.0.0.1:0");
  const packets = await listenPacket("udp", "127.0.0.1:0");
  void hub.serve(web);
  void hub.serve(framed(tcp, streamFraming));
  void hub.serve(peers(packets));
  Object.assign(urls, {
    ws: `ws://${String(web.addr)}`,
    tcp: String(tcp.addr),
    udp: String(packets.localAddr),
  });
});
after(() => hub.close());

const text = (message: string | Uint8Array | null): ReceivedMessage => {
  const decoded = decodeServerMessage(String(message));
  assert.ok(decoded, String(message));
  return decoded;
};
const binary = (message: string | Uint8Array | null): ReceivedMessage => {
  const decoded = message instanceof Uint8Array ? decodeBinaryMessage(message) : undefined;
  assert.ok(decoded, String(message));
  return decoded;
};

const dials: Record<string, () => Promise<Peer>> = {
  async "WebSocket, JSON"() {
    const conn = await websocket.dial(urls.ws);
    return {
      say: (command) => conn.send(encodeCommand(command)),
      next: async () => text(await conn.receive()),
      close: () => conn.close(),
    };
  },
  async "WebSocket, binary"() {
    const conn = await websocket.dial(urls.ws, { subprotocols: [BINARY_SUBPROTOCOL] });
    return {
      say: (command) => conn.send(encodeBinaryCommand(command)),
      next: async () => binary(await conn.receive()),
      close: () => conn.close(),
    };
  },
  async "TCP lines"() {
    const conn = lines(await dial("tcp", urls.tcp), { maxMessageBytes: 1_048_576 });
    return {
      say: (command) => conn.send(encodeCommand(command)),
      next: async () => text(await conn.receive()),
      close: () => conn.close(),
    };
  },
  async "TCP, binary"() {
    const conn = framed(await dial("tcp", urls.tcp), streamFraming);
    return {
      say: (command) => conn.send(encodeBinaryCommand(command)),
      next: async () => binary(await conn.receive()),
      close: () => conn.close(),
    };
  },
  async "UDP datagrams"() {
    const conn = await dial("udp", urls.udp);
    const next = async () => text(Buffer.from((await conn.receive()) ?? []).toString());
    await conn.send(encodeCommand({ type: "connect", id: 1, key: `key of ${String(conn.localAddr)}` }));
    const connected = await next();
    assert.ok(connected.type === "connected");
    const { session } = connected;
    return {
      say: (command) => conn.send(encodeCommand({ ...command, session })),
      next,
      close: () => conn.close(),
    };
  },
};

/** Of an answer what says something. */
function said(message: ReceivedMessage): unknown {
  const { json: _, ...rest } = { json: "", ...message };
  return "data" in rest && rest.data instanceof Uint8Array
    ? { ...rest, data: Uint8Array.from(rest.data) }
    : rest;
}

for (const [name, open] of Object.entries(dials)) {
  describe(`over ${name}`, () => {
    test("a call is answered with JSON, bytes, nothing, the program's refusal, or an error", async () => {
      const peer = await open();
      for (const [command, answer] of [
        [
          { method: "add", data: [1, 2, 3] },
          { type: "result", data: 6 },
        ],
        [
          { method: "echo", data: { "": [null] } },
          { type: "result", data: { "": [null] } },
        ],
        [
          { method: "echo", data: BYTES },
          { type: "result", data: BYTES },
        ],
        [{ method: "echo" }, { type: "result" }],
        [{ method: "refuse" }, { type: "failed", code: "sold_out", message: "no more", data: BYTES }],
        [{ method: "break" }, { type: "error", code: "unavailable", message: "break failed at the server" }],
        [
          { method: "__proto__" },
          { type: "error", code: "unknown_method", message: "nothing here takes __proto__" },
        ],
      ] as const) {
        const id = Math.floor(Math.random() * 2 ** 50) + 1;
        await peer.say({ type: "call", id, ...command });
        assert.deepEqual(said(await peer.next()), { ...answer, id });
      }
      assert.equal(String(reported.splice(0)), "Error: a secret");
      await peer.close();
    });

    test("a call is cancelled, or ends with its time, and others are answered meanwhile", async () => {
      const peer = await open();
      const [one, two] = [`${name} 1`, `${name} 2`];
      const bothAborted = Promise.all([happens(`${one} aborted`), happens(`${two} aborted`)]);
      const bothBegun = Promise.all([happens(one), happens(two)]);
      await peer.say({ type: "call", id: 1, method: "wait", data: one });
      await peer.say({ type: "call", id: 2, method: "wait", data: two, deadlineMs: 30 });
      await peer.say({ type: "call", id: 3, method: "echo", data: "meanwhile" });
      await bothBegun;
      await peer.say({ type: "cancel", call: 1 });
      const answers = [await peer.next(), await peer.next(), await peer.next()];
      assert.deepEqual(
        new Set(
          answers.map((answer) =>
            "id" in answer ? `${answer.id} ${"code" in answer ? answer.code : ""}` : "",
          ),
        ),
        new Set(["3 ", "1 cancelled", "2 deadline_exceeded"]),
      );
      await bothAborted;
      assert.deepEqual(reported, []);
      await peer.close();
    });
  });
}

test("over UDP a call that is sent three times runs once, and is answered as often until it is cancelled", async () => {
  const peer = await dials["UDP datagrams"]?.();
  assert.ok(peer);
  const before = ran;
  for (let times = 0; times < 3; times++) await peer.say({ type: "call", id: 9, method: "count" });
  const answers = [await peer.next(), await peer.next(), await peer.next()];
  for (const answer of answers) assert.deepEqual(said(answer), { type: "result", id: 9, data: before + 1 });
  assert.equal(ran, before + 1);
  // A copy that the network has held back until its client had the answer is not carried out.
  await peer.say({ type: "cancel", call: 9 });
  await peer.say({ type: "call", id: 9, method: "count" });
  await peer.say({ type: "call", id: 10, method: "count" });
  assert.deepEqual(said(await peer.next()), { type: "result", id: 10, data: before + 2 });
  await peer.close();
});

const sdks: Record<string, () => [string, ConnectOptions]> = {
  WebSocket: () => [urls.ws, { dial: (url, options) => websocket.dial(url, options) }],
  "WebSocket, binary": () => [
    urls.ws,
    {
      dial: binaryDial((url, { signal }) =>
        websocket.dial(url, { signal, subprotocols: [BINARY_SUBPROTOCOL] }),
      ),
    },
  ],
  "TCP lines": () => [
    urls.tcp,
    {
      dial: async (address, options) =>
        lines(await dial("tcp", address, options), { maxMessageBytes: 1_048_576 }),
    },
  ],
};
for (const [name, target] of Object.entries(sdks)) {
  test(`the SDK over ${name}: values, bytes, refusals, cancellation, and an end in the middle`, async () => {
    const session = connect(...target());
    assert.equal(await session.call<number>("add", [1, 2]), 3);
    assert.deepEqual(Uint8Array.from(await session.call<Uint8Array>("echo", BYTES)), BYTES);
    assert.equal(await session.call("echo"), undefined);
    const refused = await session.call("refuse").catch((error: unknown) => error);
    assert.ok(refused instanceof Refused && refused.data instanceof Uint8Array);
    assert.deepEqual([refused.code, refused.message], ["sold_out", "refuse: no more"]);
    const unknown = await session.call("nothing").catch((error: unknown) => error);
    assert.ok(unknown instanceof ChannelError && unknown.code === "unknown_method");

    const [what, aborter] = [`sdk ${name}`, new AbortController()];
    const [begun, isAborted] = [happens(what), happens(`${what} aborted`)];
    const waiting = session.call("wait", what, { signal: aborter.signal });
    await begun;
    const reason = new Error("changed my mind");
    aborter.abort(reason);
    await assert.rejects(waiting, reason);
    await isAborted;
    assert.equal((aborted.get(what) as { code?: string }).code, "cancelled");

    const last = `${what}, in the middle`;
    const [lastBegun, lastAborted] = [happens(last), happens(`${last} aborted`)];
    const closed = session.call("wait", last).catch((error: unknown) => error);
    await lastBegun;
    await session.close();
    await lastAborted;
    const ending = await closed;
    assert.ok(ending instanceof ChannelError && ending.code === "closed");
    assert.equal((aborted.get(last) as { code?: string }).code, "cancelled");
  });
}

test("who ends its side of a stream behind its calls gets their answers, and then the end", async () => {
  const conn = await dial("tcp", urls.tcp);
  const waits = ["echo", "add"].map((method, n) =>
    encodeCommand({ type: "call", id: n + 1, method, data: [n] }),
  );
  await conn.write(Buffer.from(`${waits.join("\n")}\n`));
  await conn.closeWrite();
  let all = "";
  for await (const bytes of conn) all += Buffer.from(bytes).toString();
  const answers = all.trim().split("\n");
  assert.deepEqual(
    new Set(answers),
    new Set(['{"type":"result","id":1,"data":[0]}', '{"type":"result","id":2,"data":1}']),
  );
  await conn.close();
});
