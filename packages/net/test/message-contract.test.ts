// Every MessageConn that is made here, held to what all of them promise.
import assert from "node:assert/strict";
import { type MessagePair, type PairOptions, testMessageContract } from "@zocalo/integrity";
import {
  type Conn,
  delimited,
  dial,
  type FramedOptions,
  lengthPrefixed,
  lines,
  listen,
  listenPacket,
  type MessageConn,
  peers,
  pipe,
  PreparedMessage,
} from "@zocalo/net";

const prepare = (message: string | Uint8Array): PreparedMessage => new PreparedMessage(message);

type Frame = (conn: Conn, options: FramedOptions) => MessageConn;

/** One end is framed by what is asked for, the other by defaults. */
function framedPair(
  [a, b]: readonly [Conn, Conn],
  frame: Frame,
  { maxMessageBytes, sendHighWaterBytes }: PairOptions,
  end: () => Promise<void> = () => Promise.resolve(),
): MessagePair<PreparedMessage> {
  const conn = frame(a, { maxMessageBytes, sendHighWaterBytes, sendLimitBytes: 4 * sendHighWaterBytes });
  const peer = frame(b, { maxMessageBytes: 1_048_576 });
  return {
    conn,
    prepare,
    say: (text) => peer.send(text),
    async hear() {
      const message = await peer.receive();
      return message instanceof Uint8Array ? Buffer.from(message).toString() : String(message);
    },
    async endSide() {
      await peer.flush();
      await b.closeWrite();
    },
    async end() {
      conn.abort();
      peer.abort();
      await end();
    },
  };
}

const framings: Record<string, Frame> = {
  lines: (conn, options) => lines(conn, options),
  "delimited by \\r\\n": (conn, options) => delimited(conn, "\r\n", { ...options, messages: "text" }),
  u16: (conn, options) => lengthPrefixed(conn, "u16", { ...options, messages: "text" }),
  u32: (conn, options) => lengthPrefixed(conn, "u32", { ...options, messages: "text" }),
  varint: (conn, options) => lengthPrefixed(conn, "varint", { ...options, messages: "text" }),
};

for (const [name, frame] of Object.entries(framings)) {
  testMessageContract(
    `${name} over a pipe`,
    (options) => Promise.resolve(framedPair(pipe(), frame, options)),
    { transport: "pipe" },
  );
}

testMessageContract(
  "lines over tcp",
  async (options) => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const [server, client] = await Promise.all([listener.accept(), dial("tcp", String(listener.addr))]);
    return framedPair(
      [server, client],
      (conn, given) => lines(conn, given),
      options,
      () => listener.close(),
    );
  },
  { transport: "tcp" },
);

testMessageContract(
  "peers over udp",
  async ({ maxMessageBytes }) => {
    const listener = peers(await listenPacket("udp", "127.0.0.1:0"), { maxMessageBytes });
    const client = await dial("udp", String(listener.addr));
    // Somebody must speak first, or there is no peer; the greeting is not part of the test.
    await client.send(Buffer.from("greeting"));
    const conn = await listener.accept();
    assert.equal(await conn.receive(), "greeting");
    return {
      conn,
      prepare,
      say: (text) => client.send(Buffer.from(text)),
      hear: async () => Buffer.from(await client.receive()).toString(),
      async end() {
        await client.close();
        await listener.abort();
      },
    };
  },
  { transport: "udp", isLossy: true },
);
