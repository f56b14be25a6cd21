// With poison, as CI runs the other tests, too: whoever reads memory that is no longer his reads 0xdb.
process.env["ZOCALO_POISON"] = "1";

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";

const { enableDirectSend, senderFor } = await import("../node/direct-send.ts");
const { ipAddr } = await import("../contracts/addr.ts");
const { listen } = await import("../listen.ts");
const { listenPacket } = await import("../udp/listen-packet.ts");
const { isLentMemory, lend } = await import("./lent-memory.ts");
const { POISON } = await import("./poison.ts");
const { lookUp } = await import("../node/udp-lookup.ts");

const isPoisoned = (bytes: Uint8Array) => bytes.length > 0 && bytes.every((byte) => byte === POISON);

test("what a handler was lent reads 0xdb once the call is over, and not before", async () => {
  await using listener = await listen("tcp", "127.0.0.1:0");
  const socket = connect(listener.addr.port, "127.0.0.1");
  const conn = await listener.accept();
  const given = new Promise<{ bytes: Uint8Array; text: string; isLent: boolean }>((resolve) => {
    conn.serve({
      data(bytes) {
        resolve({ bytes, text: Buffer.from(bytes).toString(), isLent: isLentMemory(bytes) });
      },
    });
  });
  socket.write("hola");
  const { bytes, text, isLent } = await given;
  assert.deepEqual([text, isLent], ["hola", true]);
  assert.ok(isPoisoned(bytes));
  socket.destroy();
  await conn.close();
});

test("whatever memory is lent reads 0xdb once the loan is over, also when the handler fails", () => {
  const memory = Buffer.from("what is lent, and what is not");
  const bytes = memory.subarray(0, 12);
  assert.equal(lend(bytes, { data: (given) => Buffer.from(given).toString() }), "what is lent");
  assert.ok(isPoisoned(bytes));
  assert.equal(memory.subarray(12).toString(), ", and what is not");
  bytes.fill("x");
  const fail = (): never => {
    throw new Error("oops");
  };
  assert.throws(() => lend(bytes, { data: fail }), /oops/);
  assert.ok(isPoisoned(bytes));
});

test("what is the application's own is not touched", async () => {
  await using packets = await listenPacket("udp4", "127.0.0.1:0");
  const mine = Buffer.from("hola");
  assert.equal(packets.trySend(mine, packets.localAddr), "sent");
  const { bytes } = await packets.receive();
  await packets.send(mine, packets.localAddr);
  await packets.receive();
  assert.deepEqual([Buffer.from(bytes).toString(), mine.toString()], ["hola", "hola"]);
});

test("the copy of a datagram that has left reads 0xdb, and that of one that waits does not", async () => {
  enableDirectSend(true);
  const socket = createSocket({ type: "udp4", lookup: lookUp });
  const listening = once(socket, "listening");
  socket.bind(0, "127.0.0.1");
  await listening;
  const { host, port } = ipAddr("udp", "127.0.0.1", socket.address().port);
  const sender = senderFor(socket, false);
  const held: Uint8Array[] = [];
  let answer = 5; // taken: 4 bytes, plus 1
  replaceSend(socket, (_request, [bytes]) => {
    held.push(bytes);
    return answer;
  });
  assert.equal(sender.trySend(Buffer.from("left"), host, port), "taken");
  assert.ok(isPoisoned(held[0] ?? new Uint8Array(0)));
  answer = 0;
  sender.trySend(Buffer.from("wait"), host, port);
  assert.equal(Buffer.from(held[1] ?? []).toString(), "wait");
  socket.close();
});

function replaceSend(socket: object, send: (request: object, parts: [Uint8Array]) => number): void {
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const state: unknown = Reflect.get(socket, key);
    const handle: unknown = typeof state === "object" && state !== null && Reflect.get(state, "handle");
    if (handle) Object.defineProperty(handle, "send", { value: send, configurable: true });
  }
}
