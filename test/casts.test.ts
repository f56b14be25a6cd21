// What is of this moment, by real sockets: over WebSocket and TCP in both forms, over datagrams, and to those
// who read nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "@zocalo/client";
import { Hub, streamFraming } from "@zocalo/hub";
import {
  dial,
  framed,
  type Listener,
  lines,
  listen,
  listenPacket,
  type MessageConn,
  peers,
} from "@zocalo/net";
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

const namespaces = {
  arena: { subscribe: "anyone", publish: "anyone", cast: "anyone", senders: true },
  raw: { subscribe: "anyone", cast: "anyone", data: "bytes" },
} as const;
const ALONE = { limits: { commandsPerSecond: 100_000, commandBurst: 100_000 } };

type Form = "json" | "binary";

interface Door {
  readonly form: Form;
  listen(): Promise<Listener<MessageConn>>;
  dial(address: string): Promise<MessageConn>;
}

const overWebSocket = (form: Form): Door => ({
  form,
  listen: () => websocket.listen("127.0.0.1:0", { subprotocols: [BINARY_SUBPROTOCOL] }),
  dial: (address) =>
    websocket.dial(`ws://${address}`, form === "binary" ? { subprotocols: [BINARY_SUBPROTOCOL] } : {}),
});
const overTcp = (form: Form): Door => ({
  form,
  listen: async () => framed(await listen("tcp", "127.0.0.1:0"), streamFraming),
  dial: async (address) => framed(await dial("tcp", address), streamFraming),
});
const doors: Readonly<Record<string, Door>> = {
  "WebSocket in JSON": overWebSocket("json"),
  "WebSocket in the binary form": overWebSocket("binary"),
  "TCP in JSON": overTcp("json"),
  "TCP in the binary form": overTcp("binary"),
};

/** A client as it stands on the wire. */
class Client {
  readonly conn: MessageConn;
  readonly #form: Form;

  constructor(conn: MessageConn, form: Form) {
    this.conn = conn;
    this.#form = form;
  }

  async say(command: Command): Promise<void> {
    await this.conn.send(this.#form === "binary" ? encodeBinaryCommand(command) : encodeCommand(command));
  }

  async hear<Type extends ReceivedMessage["type"]>(type: Type): Promise<ReceivedMessage & { type: Type }> {
    for (;;) {
      const message = await this.conn.receive();
      assert.ok(message !== null, `the connection ended before ${type}`);
      const read =
        this.#form === "binary"
          ? decodeBinaryMessage(message as Uint8Array)
          : decodeServerMessage(String(message));
      assert.ok(read?.type !== "error", JSON.stringify(read));
      if (read?.type === type) return read as ReceivedMessage & { type: Type };
    }
  }
}

for (const [name, door] of Object.entries(doors)) {
  test(`casts, messages and senders go over ${name}`, async () => {
    const hub = new Hub({ namespaces });
    const names: string[] = [];
    hub.onCast("arena.input", ({ session }, data) => {
      names.push(session);
      hub.send({ session }, "arena.seen", data, { volatile: true, key: "seen" });
    });
    const listener = await door.listen();
    void hub.serve(listener);
    const [ana, ben] = [
      new Client(await door.dial(String(listener.addr)), door.form),
      new Client(await door.dial(String(listener.addr)), door.form),
    ];
    await ana.say({ type: "connect", id: 1 });
    const { sender } = await ana.hear("connected");
    for (const channel of ["arena:1", "raw:1"]) {
      await ben.say({ type: "subscribe", channel });
      await ben.hear("subscribed");
    }
    await ana.say({ type: "cast", channel: "arena:1", data: { x: 1 }, key: "at" });
    const cast = await ben.hear("cast");
    assert.deepEqual([cast.data, cast.json, cast.key, cast.sender], [{ x: 1 }, '{"x":1}', "at", sender]);
    await ana.say({ type: "publish", channel: "arena:1", data: 2 });
    assert.equal((await ben.hear("publication")).sender, sender);
    const bytes = new Uint8Array([0, 255, 10]);
    await ana.say({ type: "cast", channel: "raw:1", data: bytes });
    assert.deepEqual(new Uint8Array((await ben.hear("cast")).data as Uint8Array), bytes);
    await ana.say({ type: "cast", method: "arena.input", data: bytes });
    const seen = await ana.hear("message");
    assert.deepEqual([seen.topic, new Uint8Array(seen.data as Uint8Array)], ["arena.seen", bytes]);
    await ana.say({ type: "cast", method: "arena.input", data: [1] });
    assert.deepEqual((await ana.hear("message")).data, [1]);
    assert.deepEqual(names, [sender, sender]);
    await Promise.all([ana.conn.close(), ben.conn.close()]);
    await hub.close();
  });

  test(`over ${name} a receiver that stops reading has little waiting, and then the newest`, async () => {
    const hub = new Hub({ namespaces, ...ALONE });
    const names: string[] = [];
    hub.onCast("hello", ({ session }) => void names.push(session));
    const listener = await door.listen();
    const accepted: MessageConn[] = [];
    void (async () => {
      for await (const conn of listener) {
        accepted.push(conn);
        hub.accept(conn);
      }
    })();
    const ana = new Client(await door.dial(String(listener.addr)), door.form);
    await ana.say({ type: "cast", method: "hello", data: 1 });
    await ana.say({ type: "ping", id: 1 });
    await ana.hear("pong");
    const [server] = accepted;
    const [session = ""] = names;
    assert.ok(server);
    // Nothing is read while nobody calls `receive`: both systems' buffers fill, and then nothing is taken.
    const send = (number: number) => {
      const bytes = new Uint8Array(1_000);
      new DataView(bytes.buffer).setUint32(0, number);
      return hub.send({ session }, "tick", bytes, { volatile: true, key: "tick" });
    };
    let [number, waiting, most] = [0, 0, 0];
    while (waiting < 200) {
      number += 1;
      const result = send(number);
      assert.equal(result.refused, 0);
      waiting += result.waiting;
      most = Math.max(most, server.bufferedAmount);
      if (number % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(most < 100_000, `${most} bytes in the connection`);
    const last = number;
    let before = 0;
    while (before < last) {
      const { data } = await ana.hear("message");
      const { buffer, byteOffset } = data as Uint8Array;
      const next = new DataView(buffer, byteOffset).getUint32(0);
      assert.ok(next > before, `${next} after ${before}`);
      before = next;
    }
    assert.equal(before, last);
    const { casts, castsDelivered, castsDropped } = hub.stats();
    assert.equal(casts - 1, castsDelivered + castsDropped); // one said hello
    assert.ok(castsDropped > 100);
    await ana.conn.close();
    await hub.close();
    await listener.close();
  });
}

test("casts go over datagrams, from who has proved nothing, too", async () => {
  const hub = new Hub({ namespaces });
  const heard: unknown[] = [];
  hub.onCast("arena.input", ({ session }, data) => {
    heard.push(data);
    hub.send({ session }, "arena.seen", data, { volatile: true });
  });
  const [tcp, packets] = [await listen("tcp", "127.0.0.1:0"), await listenPacket("udp", "127.0.0.1:0")];
  void hub.serve(lines(tcp));
  void hub.serve(peers(packets));
  const device = await dial("udp", String(packets.localAddr));
  const say = (command: Command): Promise<void> => device.send(encodeCommand(command));
  const hear = async (): Promise<ReceivedMessage | undefined> =>
    decodeServerMessage(Buffer.from((await device.receive()) ?? []).toString());
  await say({ type: "connect", id: 1, key: "k" });
  const connected = await hear();
  assert.ok(connected?.type === "connected");
  const { session } = connected;
  await say({ type: "subscribe", id: 2, channel: "arena:1", session });
  assert.equal((await hear())?.type, "subscribed");
  const ana = new Client(lines(await dial("tcp", String(tcp.addr))), "json");
  await ana.say({ type: "subscribe", channel: "arena:1" });
  await ana.hear("subscribed");
  await ana.say({ type: "cast", channel: "arena:1", data: "from TCP" });
  const cast = await hear();
  assert.ok(cast?.type === "cast" && cast.data === "from TCP");
  await say({ type: "cast", channel: "arena:1", data: "from UDP", session });
  assert.equal((await ana.hear("cast")).data, "from UDP");
  await say({ type: "cast", method: "arena.input", data: new Uint8Array([1]), session });
  const seen = await hear();
  assert.ok(seen?.type === "message");
  assert.deepEqual([seen.data, heard], [new Uint8Array([1]), [new Uint8Array([1])]]);
  await say({ type: "cast", method: "arena.input", data: 1, session: "another" });
  const gone = await hear();
  assert.ok(gone?.type === "error" && gone.code === "unknown_session", "told without an id, too");
  await ana.conn.close();
  await device.close();
  await hub.close();
});

test("sessions of the SDK cast to each other and to the program, in both forms", async () => {
  const hub = new Hub({ namespaces });
  hub.onCast("arena.input", ({ user }, data) => {
    hub.send({ user }, "arena.seen", data);
  });
  const listener = await websocket.listen("127.0.0.1:0");
  void hub.serve(listener);
  const [ana, ben] = [0, 1].map(() => connect(`ws://${String(listener.addr)}`, { dial: websocket.dial }));
  assert.ok(ana && ben);
  const room = ben.channel("arena:1");
  const heard = new Promise((resolve) => void room.onCast(resolve));
  const own = new Promise((resolve) => {
    ana.channel("arena:1").subscribe({}, { publication: ({ isOwn }) => resolve(isOwn), gap() {} });
  });
  const others = new Promise((resolve) => {
    room.subscribe({}, { publication: ({ isOwn }) => resolve(isOwn), gap() {} });
  });
  const seen = new Promise((resolve) => void ana.onMessage("arena.seen", resolve));
  await ben.channel("arena:1").history();
  await ana.channel("arena:1").history();
  await ana.channel("arena:1").publish("hola");
  assert.deepEqual([await own, await others], [true, false]);
  assert.equal(ana.channel("arena:1").cast({ x: 1 }, { key: "at" }), true);
  assert.equal(ana.cast("arena.input", { left: true }), true);
  const { data, key } = (await heard) as { data: unknown; key: unknown };
  assert.deepEqual([data, key], [{ x: 1 }, "at"]);
  assert.deepEqual(((await seen) as { data: unknown }).data, { left: true });
  await Promise.all([ana.close(), ben.close()]);
  await hub.close();
});
