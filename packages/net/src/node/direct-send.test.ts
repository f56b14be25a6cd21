import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { after, test } from "node:test";
import { ipAddr } from "../contracts/addr.ts";
import type { DatagramConn } from "../udp/datagram-conn.ts";
import { InFlight } from "./datagram-sender.ts";
import { dial } from "../dial.ts";
import { enableDirectSend, senderFor } from "./direct-send.ts";
import { NetError } from "../contracts/error.ts";
import { listenPacket } from "../udp/listen-packet.ts";
import type { Packet } from "../contracts/packet-conn.ts";
import { lookUp } from "./udp-lookup.ts";

after(() => enableDirectSend(true));

const isCode = (code: string) => (error: unknown) => error instanceof NetError && error.code === code;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

async function boundSocket(type: "udp4" | "udp6" = "udp4") {
  const socket = createSocket({ type, lookup: lookUp });
  const listening = once(socket, "listening");
  socket.bind(0, type === "udp4" ? "127.0.0.1" : "::1");
  await listening;
  return socket;
}

test("this Node can be asked directly, and answers at once", async () => {
  for (const type of ["udp4", "udp6"] as const) {
    const socket = await boundSocket(type);
    const { address, port } = socket.address();
    const sender = senderFor(socket, false);
    assert.equal(sender.send(Buffer.from("now"), address, port), "taken");
    assert.equal(text((await once(socket, "message"))[0] as Buffer), "now");
    const refusal = sender.send(Buffer.alloc(70_000), address, port);
    assert.ok(refusal instanceof Error && Reflect.get(refusal, "code") === "EMSGSIZE");
    socket.close();
  }
});

test("where it cannot be, or is not wanted, sockets send as documented", async () => {
  const socket = await boundSocket();
  const { address, port } = socket.address();
  enableDirectSend(false);
  const sender = senderFor(socket, false);
  enableDirectSend(true);
  const status = sender.send(Buffer.from("later"), address, port);
  assert.ok(status instanceof InFlight);
  assert.equal(await new Promise((resolve) => (status.onSettled = resolve)), null);

  // A Node that keeps its handle elsewhere.
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const state: unknown = Reflect.get(socket, key);
    if (typeof state !== "object" || state === null || !Reflect.has(state, "handle")) continue;
    const hidden = Object.assign(Object.create(Object.getPrototypeOf(socket)) as typeof socket, socket);
    Reflect.set(hidden, key, { ...state, handle: undefined });
    assert.notEqual(senderFor(hidden, false).constructor.name, "DirectSender");
  }
  assert.equal(senderFor(socket, false).constructor.name, "DirectSender");
  socket.close();
});

test("looking whether it can be asked sends nothing and changes nothing", async () => {
  const socket = await boundSocket();
  const { address, port } = socket.address();
  const connected = once(socket, "connect");
  socket.connect(port, address);
  await connected;
  senderFor(socket, true);
  let received = 0;
  socket.on("message", () => void (received += 1));
  socket.send("the documented way still works");
  await once(socket, "message");
  assert.equal(received, 1);
  socket.close();
});

test("a datagram that has to wait is told of later, and its bytes are not those of the next", async () => {
  const socket = await boundSocket();
  const receiver = await boundSocket();
  const { address, port } = receiver.address();
  const sender = senderFor(socket, false);
  // What the handle answers when the system's buffer is full.
  const handle = handleOf(socket);
  const requests: { oncomplete(status: number): void; list: Uint8Array[] }[] = [];
  handle.send = (request, parts) => {
    requests.push(request as (typeof requests)[number]);
    assert.equal(parts.length, 1);
    return 0;
  };
  const first = sender.send(Buffer.from("1"), address, port);
  const second = sender.send(Buffer.from("2"), address, port);
  Reflect.deleteProperty(handle, "send");
  assert.ok(first instanceof InFlight && second instanceof InFlight);
  assert.notEqual(requests[0], requests[1]);
  assert.deepEqual(
    requests.map(({ list }) => text(list[0] ?? Buffer.alloc(0))),
    ["1", "2"],
  );
  const outcomes: (Error | null)[] = [];
  for (const status of [first, second]) status.onSettled = (error) => void outcomes.push(error);
  requests[0]?.oncomplete(0);
  requests[1]?.oncomplete(-101);
  assert.equal(outcomes[0], null);
  assert.equal(Reflect.get(outcomes[1] ?? {}, "code"), "ENETUNREACH");
  assert.equal(sender.send(Buffer.from("3"), address, port), "taken");
  assert.equal(text((await once(receiver, "message"))[0] as Buffer), "3");
  socket.close();
  receiver.close();
});

test("a batch waits while the system is behind; a deadline or a signal then says how many had left", async () => {
  enableDirectSend(true);
  const conn = await listenPacket("udp", "127.0.0.1:0");
  const handle = handleOf(Reflect.get(conn, "socket") as object);
  const answers = [4, 0];
  let asked = 0;
  handle.send = () => answers[asked++] ?? 4;
  const batch: Packet[] = ["one", "two", "six"].map((name) => ({
    bytes: Buffer.from(name),
    addr: conn.localAddr,
  }));
  const controller = new AbortController();
  const canceled = conn.sendBatch(batch, { signal: controller.signal });
  assert.equal(asked, 2, "the third waits for the second");
  controller.abort();
  await assert.rejects(canceled, (error: unknown) => {
    assert.ok(error instanceof NetError);
    return error.code === "canceled" && error.datagramsSent === 1;
  });
  asked = 0;
  const late = conn.sendBatch(batch);
  conn.setWriteDeadline(0);
  await assert.rejects(late, (error: unknown) => {
    assert.ok(error instanceof NetError);
    return error.timeout && error.datagramsSent === 1;
  });
  assert.equal(asked, 2);
  Reflect.deleteProperty(handle, "send");
  await conn.close();
});

function handleOf(socket: object): { send(request: object, parts: unknown[]): number } {
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const state: unknown = Reflect.get(socket, key);
    const handle: unknown = typeof state === "object" && state !== null && Reflect.get(state, "handle");
    if (handle) return handle as { send(): number };
  }
  return assert.fail("no handle");
}

test("what is not of the type it should be is an error, as Node has it, and not the end of the process", async () => {
  const socket = await boundSocket();
  const { address, port } = socket.address();
  const sender = senderFor(socket, false);
  const send = sender.send.bind(sender) as (...args: unknown[]) => unknown;
  const good = Buffer.from("x");
  for (const bad of [undefined, null, 5, {}, new ArrayBuffer(1)])
    assert.throws(() => send(bad, address, port), { code: "ERR_INVALID_ARG_TYPE" });
  for (const bad of [0, -1, 1.5, 65_536, Number.NaN, null])
    assert.throws(() => send(good, address, bad), { code: "ERR_SOCKET_BAD_PORT" });
  assert.throws(() => send(good, 5, port), { code: "ERR_INVALID_ARG_TYPE" });
  const heard = once(socket, "message");
  send("a text, which Node takes", address, String(port));
  assert.equal(text((await heard)[0] as Buffer), "a text, which Node takes");
  assert.equal(sender.send(new DataView(new ArrayBuffer(2)) as never, address, port), "taken");
  socket.close();
});

for (const isDirect of [true, false]) {
  const way = isDirect ? "directly" : "as documented";
  const packets = async (count: number) => {
    enableDirectSend(isDirect);
    return Promise.all(Array.from({ length: count }, () => listenPacket("udp", "127.0.0.1:0")));
  };
  const connect = async (address: string): Promise<DatagramConn> => {
    enableDirectSend(isDirect);
    return dial("udp", address);
  };

  test(`${way}: a batch arrives whole and in order, to several addresses`, async () => {
    const [a, b, c] = await packets(3);
    assert.ok(a && b && c);
    const to = ({ localAddr }: typeof a, name: string): Packet => ({
      bytes: Buffer.from(name),
      addr: localAddr,
    });
    await a.sendBatch([to(b, "1"), to(c, "2"), to(b, "3")]);
    await a.sendBatch([]);
    assert.equal(a.trySendBatch([to(b, "4"), to(b, "5")]), 2);
    const seen: string[] = [];
    for (let i = 0; i < 4; i++) seen.push(text((await b.receive()).bytes));
    assert.deepEqual(seen, ["1", "3", "4", "5"]);
    const asked = await c.receive();
    assert.equal(text(asked.bytes), "2");
    await c.sendBatch([asked, asked]);
    assert.equal(text((await a.receive()).bytes), "2");
    await Promise.all([a.close(), b.close(), c.close()]);
  });

  test(`${way}: a batch on a connected socket`, async () => {
    const [server] = await packets(1);
    assert.ok(server);
    const conn = await connect(String(server.localAddr));
    await conn.sendBatch(["1", "2"].map((name) => Buffer.from(name)));
    assert.equal(conn.trySendBatch([Buffer.from("3")]), 1);
    for (const name of ["1", "2", "3"]) assert.equal(text((await server.receive()).bytes), name);
    await Promise.all([server.close(), conn.close()]);
  });

  test(`${way}: a batch says how many went before the one that failed, and why that failed`, async () => {
    const [a, b] = await packets(2);
    assert.ok(a && b);
    const good: Packet = { bytes: Buffer.from("x"), addr: b.localAddr };
    const bad: [Packet, string][] = [
      [{ bytes: Buffer.alloc(65_508), addr: b.localAddr }, "too_large"],
      [{ bytes: Buffer.from("x"), addr: ipAddr("udp", "127.0.0.1", 0) }, "invalid_argument"],
      // Broadcast is not enabled.
      [{ bytes: Buffer.from("x"), addr: ipAddr("udp", "255.255.255.255", 9) }, "permission"],
    ];
    for (const [packet, code] of bad) {
      await assert.rejects(a.sendBatch([good, good, packet, good]), (error: unknown) => {
        assert.ok(error instanceof NetError);
        assert.deepEqual([error.code, error.op, error.datagramsSent], [code, "write", 2]);
        return true;
      });
    }
    assert.equal(a.trySendBatch([good, { ...good, bytes: Buffer.alloc(65_508) }, good]), 1);
    for (let i = 0; i < 7; i++) await b.receive();
    b.setReadDeadline(Date.now());
    await assert.rejects(b.receive(), isCode("timeout"), "nothing behind the bad one was sent");
    await Promise.all([a.close(), b.close()]);
  });

  test(`${way}: deadlines, signals and close hold for batches`, async () => {
    const [a, b] = await packets(2);
    assert.ok(a && b);
    const batch: Packet[] = [{ bytes: Buffer.from("x"), addr: b.localAddr }];
    a.setWriteDeadline(0);
    await assert.rejects(a.sendBatch(batch), isCode("timeout"));
    a.setWriteDeadline(null);
    await assert.rejects(a.sendBatch(batch, { signal: AbortSignal.abort() }), isCode("canceled"));
    await a.close();
    await assert.rejects(a.sendBatch(batch), (error: unknown) => {
      assert.ok(error instanceof NetError);
      return error.code === "closed" && error.datagramsSent === 0;
    });
    assert.equal(a.trySendBatch(batch), 0);
    await b.close();
  });

  test(`${way}: a deadline also ends the wait for a host's name`, async () => {
    const [a] = await packets(1);
    assert.ok(a);
    const sending = a.send(Buffer.from("x"), "no-such-host.invalid:9");
    a.setWriteDeadline(0);
    await assert.rejects(sending, isCode("timeout"));
    await a.close();
  });

  test(`${way}: a handler that throws on a report closes its socket with what it threw`, async () => {
    const [gone] = await packets(1);
    assert.ok(gone);
    await gone.close();
    const conn = await connect(String(gone.localAddr));
    const closed = new Promise<Error | undefined>((resolve) => {
      conn.serve({
        message() {},
        error() {
          throw new Error("oops");
        },
        close: resolve,
      });
    });
    conn.trySend(Buffer.from("anybody?"));
    assert.equal((await closed)?.message, "oops");
  });
}

test("a report that trySend meets is not lost, and may provoke the next", async () => {
  enableDirectSend(true);
  const gone = await listenPacket("udp", "127.0.0.1:0");
  await gone.close();
  const conn = await dial("udp", String(gone.localAddr));
  let reports = 0;
  await new Promise<void>((resolve) => {
    conn.serve({
      message: () => assert.fail("nobody is there"),
      error(error) {
        assert.equal(error.code, "refused");
        reports += 1;
        if (reports === 3) resolve();
        // Twice: one of them may be what meets the report.
        else for (let i = 0; i < 2; i++) conn.trySend(Buffer.from("again"));
      },
    });
    for (let i = 0; i < 2; i++) conn.trySend(Buffer.from("anybody?"));
  });
  await conn.close();
});

test("an address that sends again is the same object, on a dual-stack socket too", async () => {
  const server = await listenPacket("udp", ":0");
  const client = await listenPacket("udp4", "127.0.0.1:0");
  const to = ipAddr("udp", "127.0.0.1", server.localAddr.port);
  await client.sendBatch([
    { bytes: Buffer.from("1"), addr: to },
    { bytes: Buffer.from("2"), addr: to },
  ]);
  const [one, two] = [await server.receive(), await server.receive()];
  assert.equal(one.addr, two.addr);
  assert.equal(String(one.addr), String(client.localAddr));
  await server.sendBatch([one]);
  assert.equal(text((await client.receive()).bytes), "1");
  await Promise.all([server.close(), client.close()]);
});

/** A socket whose handle answers that each datagram waits, and what it then holds of them. */
async function crowdedSocket() {
  const socket = await boundSocket();
  const sender = senderFor(socket, false);
  const held: Uint8Array[] = [];
  const requests: { oncomplete?(status: number): void }[] = [];
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const state: unknown = Reflect.get(socket, key);
    if (typeof state !== "object" || state === null || !Reflect.has(state, "handle")) continue;
    const send = (request: (typeof requests)[number], [bytes]: [Uint8Array]) => {
      held.push(bytes);
      requests.push(request);
      return 0;
    };
    Object.defineProperty(Reflect.get(state, "handle"), "send", { value: send, configurable: true });
  }
  return { socket, sender, held, requests };
}

test("a datagram that has to wait does so in memory that nobody writes to", async () => {
  const { socket, sender, held, requests } = await crowdedSocket();
  const { address, port } = socket.address();
  const sizes = [1, 2, 512, 513, 3, 40_000, 40_000, 7];
  const memory = new Uint8Array(40_000);
  for (const [at, size] of sizes.entries()) {
    // As if none waited, so that each takes the way of the first one, too.
    if (at % 2 === 0) for (const request of requests.splice(0)) request.oncomplete?.(0);
    memory.fill(at + 1, 0, size);
    assert.ok(sender.trySend(memory.subarray(0, size), address, port) instanceof InFlight);
    memory.fill(0xdb);
  }
  for (const [at, size] of sizes.entries()) {
    assert.ok(
      Buffer.alloc(size, at + 1).equals(held[at] ?? new Uint8Array(0)),
      `datagram ${at} of ${size} bytes`,
    );
  }
  socket.close();
});
