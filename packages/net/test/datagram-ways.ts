// The ways to send a datagram, and to pass on one that is lent.
import assert from "node:assert/strict";
import { dial, ipAddr, listenPacket, type MessageConn, peers, type PeersOptions } from "@zocalo/net";
import { type Crowd, crowd } from "./crowded-handle.ts";

/**
 * One way to send. After `hand` the caller's memory is overwritten at once, or when the promise has settled
 * that it gives.
 */
interface Way {
  readonly crowd: Crowd;
  hand(this: void, memory: Uint8Array): void | Promise<void>;
  end(this: void): Promise<void>;
}

/** A bound socket that can no longer send, and another that never hears of it. */
export async function bound() {
  const packets = await listenPacket("udp4", "127.0.0.1:0");
  const to = ipAddr("udp", "127.0.0.1", packets.localAddr.port);
  return { packets, to, crowd: crowd(packets), end: () => packets.close() };
}

export async function peer(options: PeersOptions = {}) {
  const packets = await listenPacket("udp4", "127.0.0.1:0");
  const listener = peers(packets, { messages: "binary", ...options });
  const client = await listenPacket("udp4", "127.0.0.1:0");
  await client.send(Buffer.from("greeting"), packets.localAddr);
  const conn: MessageConn = await listener.accept();
  await conn.receive();
  const end = async (): Promise<void> => {
    await Promise.all([client.close(), listener.abort()]);
  };
  return { conn, listener, packets, crowd: crowd(packets), end };
}

export const isCode = (code: string) => ({ code });

/** Ways whose bytes are copied by their return. */
export const ways: Record<string, () => Promise<Way>> = {
  async trySend() {
    const { packets, to, ...rest } = await bound();
    return { ...rest, hand: (memory) => assert.equal(packets.trySend(memory, to), "sent") };
  },
  async trySendBatch() {
    const { packets, to, ...rest } = await bound();
    return { ...rest, hand: (bytes) => assert.equal(packets.trySendBatch([{ bytes, addr: to }]), 1) };
  },
  async "trySend on a connected socket"() {
    const conn = await dial("udp", "127.0.0.1:9");
    return {
      crowd: crowd(conn),
      hand: (memory) => assert.equal(conn.trySend(memory), "sent"),
      end: () => conn.close(),
    };
  },
  async "trySend to a name"() {
    const { packets, to, ...rest } = await bound();
    const named = ipAddr("udp", "localhost", to.port);
    return { ...rest, hand: (memory) => assert.equal(packets.trySend(memory, named), "sent") };
  },
  async "send, awaited"() {
    const { packets, to, ...rest } = await bound();
    return { ...rest, hand: (memory) => packets.send(memory, to) };
  },
  async "send to a name, awaited"() {
    const { packets, to, ...rest } = await bound();
    return { ...rest, hand: (memory) => packets.send(memory, `localhost:${to.port}`) };
  },
  async "sendBatch, awaited"() {
    const { packets, to, ...rest } = await bound();
    return { ...rest, hand: (bytes) => packets.sendBatch([{ bytes, addr: to }]) };
  },
  async "send, canceled"() {
    const { packets, to, ...rest } = await bound();
    const hand = (memory: Uint8Array): Promise<void> => {
      const controller = new AbortController();
      const sending = packets.send(memory, to, { signal: controller.signal });
      controller.abort();
      return assert.rejects(sending, isCode("canceled"));
    };
    return { ...rest, hand };
  },
  async "send to a name, canceled"() {
    const { packets, to, ...rest } = await bound();
    const hand = (memory: Uint8Array): Promise<void> => {
      const controller = new AbortController();
      const sending = packets.send(memory, `localhost:${to.port}`, { signal: controller.signal });
      controller.abort();
      return assert.rejects(sending, isCode("canceled"));
    };
    return { ...rest, hand };
  },
  async "sendBatch on a connected socket, canceled"() {
    const conn = await dial("udp", "127.0.0.1:9");
    const hand = (memory: Uint8Array): Promise<void> => {
      const controller = new AbortController();
      const sending = conn.sendBatch([memory], { signal: controller.signal });
      controller.abort();
      return assert.rejects(sending, isCode("canceled"));
    };
    return { crowd: crowd(conn), hand, end: () => conn.close() };
  },
  async "send, cut by a deadline"() {
    const { packets, to, ...rest } = await bound();
    const hand = async (memory: Uint8Array): Promise<void> => {
      packets.setWriteDeadline(Date.now() + 60_000);
      const sending = packets.send(memory, to);
      packets.setWriteDeadline(1);
      await assert.rejects(sending, isCode("timeout"));
    };
    return { ...rest, hand };
  },
  async "trySend to a peer"() {
    const { conn, ...rest } = await peer();
    return { ...rest, hand: (memory) => assert.equal(conn.trySend(memory), "sent") };
  },
  async "send to a peer"() {
    const { conn, ...rest } = await peer();
    return { ...rest, hand: (memory) => conn.send(memory) };
  },
};

/** One way to pass on what a handler is lent. */
interface LentWay {
  readonly crowd: Crowd;
  pass(this: void, parts: Uint8Array[]): unknown;
  end(this: void): Promise<void>;
}

export const lentWays: Record<string, () => Promise<LentWay>> = {
  async trySend() {
    const { packets, to, ...rest } = await bound();
    return { ...rest, pass: (parts) => parts.map((part) => packets.trySend(part, to)) };
  },
  async send() {
    const { packets, to, ...rest } = await bound();
    return { ...rest, pass: (parts) => parts.map((part) => packets.send(part, to)) };
  },
  async "send to a name"() {
    const { packets, to, ...rest } = await bound();
    return { ...rest, pass: (parts) => parts.map((part) => packets.send(part, `localhost:${to.port}`)) };
  },
  async sendBatch() {
    const { packets, to, ...rest } = await bound();
    return { ...rest, pass: (parts) => packets.sendBatch(parts.map((bytes) => ({ bytes, addr: to }))) };
  },
  async "send on a connected socket"() {
    const conn = await dial("udp", "127.0.0.1:9");
    const pass = (parts: Uint8Array[]) => parts.map((part) => conn.send(part));
    return { crowd: crowd(conn), pass, end: () => conn.close() };
  },
  async "sendBatch on a connected socket"() {
    const conn = await dial("udp", "127.0.0.1:9");
    return { crowd: crowd(conn), pass: (parts) => conn.sendBatch(parts), end: () => conn.close() };
  },
  async "send to a peer"() {
    const { conn, ...rest } = await peer();
    return { ...rest, pass: (parts) => parts.map((part) => conn.send(part)) };
  },
};
