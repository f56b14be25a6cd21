// Peers that misbehave, at both ends of a real connection: each gets its answer, the connection ends, and the one beside it does not notice.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { deflateRawSync, constants } from "node:zlib";
import type { CloseInfo } from "@zocalo/net";
import type { Role } from "../src/core/frame.ts";
import { type ConnOptions, dial, type WebSocketConn, type WebSocketNetError } from "../src/index.ts";
import { LENT_BUFFER_BYTES } from "@zocalo/net/transport";
import { accepting, ended, RawPeer, rawServer, upgradeRequest } from "./peers.ts";
import { frameFrom, hex, peerOf, Recorder } from "./recorder.ts";

interface Hostile {
  readonly conn: WebSocketConn;
  readonly write: (bytes: Uint8Array) => void;
  /** All that the connection sent, once it has ended it. */
  readonly rest: () => Promise<Buffer>;
  /** Cuts TCP. */
  readonly destroy: () => void;
  readonly pause: () => void;
}

/** A connection in `role`, whose peer is whatever the test makes of it. */
async function withHostilePeer(
  role: Role,
  options: ConnOptions & { compression?: boolean },
  use: (hostile: Hostile) => Promise<void>,
): Promise<void> {
  if (role === "server") {
    await using server = await accepting(options);
    const accepted = server.listener.accept();
    const peer = await RawPeer.connect(server.port);
    peer.write(
      upgradeRequest(options.compression ? { "Sec-WebSocket-Extensions": "permessage-deflate" } : {}),
    );
    await peer.head();
    await use({
      conn: await accepted,
      write: (bytes) => peer.write(bytes),
      rest: () => peer.rest(),
      destroy: () => peer.socket.destroy(),
      pause: () => peer.socket.pause(),
    });
    peer.socket.destroy();
    return;
  }
  const chunks: Buffer[] = [];
  let hasEnded: () => void = () => undefined;
  const end = new Promise<void>((resolve) => {
    hasEnded = resolve;
  });
  let socket: Parameters<Parameters<typeof rawServer>[0]>[1] | undefined;
  await using server = await rawServer((head, connected) => {
    socket = connected;
    const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head)?.[1] ?? "";
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    connected.on("data", (chunk) => chunks.push(chunk)).on("close", hasEnded);
    const extension = options.compression
      ? "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
      : "";
    connected.write(
      `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${extension}\r\n`,
    );
  });
  const conn = await dial(`ws://127.0.0.1:${server.port}`, options);
  chunks.length = 0; // The request itself.
  await use({
    conn,
    write: (bytes) => void socket?.write(bytes),
    rest: async () => {
      await end;
      return Buffer.concat(chunks);
    },
    destroy: () => socket?.destroy(),
    pause: () => socket?.pause(),
  });
  conn.abort();
}

/** The code of the Close frame in what `role` sent. */
function closeCodeOf(role: Role, bytes: Buffer): number | undefined {
  return new Recorder(peerOf(role)).feed(bytes).core.receivedClose?.code;
}

const compress = (bytes: Uint8Array): Buffer =>
  deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

for (const role of ["server", "client"] as const) {
  const sender = peerOf(role);

  test(`${role}: what breaks the protocol ends its own connection, with the code for it`, async () => {
    // A connection beside, which lives through all of it.
    await withHostilePeer(role, {}, async (beside) => {
      const breaches: [code: number, bytes: Uint8Array, isCompressing?: boolean][] = [
        [1002, frameFrom(sender, 0xa1, "x")],
        [1002, frameFrom(sender, 0xc1, "x")],
        [1002, frameFrom(sender, 0x83, "x")],
        [1002, frameFrom(sender, 0x8f)],
        [1002, frameFrom(peerOf(sender), 0x81, "x")],
        [1002, frameFrom(sender, 0x89, Buffer.alloc(126))],
        [1002, frameFrom(sender, 0x09)],
        [1002, frameFrom(sender, 0x88, hex("03"))],
        [1002, frameFrom(sender, 0x88, hex("03ed"))],
        [1007, frameFrom(sender, 0x88, hex("03e8ff"))],
        [1007, frameFrom(sender, 0x01, hex("ff"))],
        [1009, frameFrom(sender, 0x82, Buffer.alloc(5001))],
        [1009, frameFrom(sender, 0xc2, compress(Buffer.alloc(50_000_000))), true],
        [
          1009,
          Buffer.concat([
            frameFrom(sender, 0x42),
            frameFrom(sender, 0x80, compress(Buffer.alloc(50_000_000)).subarray(0, 4900)),
          ]),
          true,
        ],
        [1007, frameFrom(sender, 0xc2, Buffer.alloc(20, 0xff)), true],
        [1007, frameFrom(sender, 0xc1, compress(hex("61ff61"))), true],
      ];
      for (const [code, bytes, compression = false] of breaches) {
        await withHostilePeer(role, { maxMessageBytes: 5000, compression }, async ({ conn, write, rest }) => {
          // What stands behind it is not looked at.
          write(Buffer.concat([frameFrom(sender, 0x81, "before"), bytes, frameFrom(sender, 0x81, "behind")]));
          assert.equal(await conn.receive(), "before");
          assert.equal(
            closeCodeOf(role, await rest()),
            code,
            Buffer.from(bytes.subarray(0, 20)).toString("hex"),
          );
          await assert.rejects(conn.receive(), { code: code === 1009 ? "too_large" : "bad_frame" });
        });
      }
      beside.write(frameFrom(sender, 0x81, "still here"));
      assert.equal(await beside.conn.receive(), "still here");
    });
  });

  test(`${role}: a length past the limit is refused before a byte of its payload has come`, async () => {
    await withHostilePeer(role, {}, async ({ write, rest, conn }) => {
      write(hex(role === "server" ? "82ff 0000000000100001 00000000" : "827f 0000000000100001"));
      assert.equal(closeCodeOf(role, await rest()), 1009);
      await assert.rejects(conn.receive(), { code: "too_large" });
    });
  });

  test(`${role}: a ping flood from a peer that never reads makes nothing grow`, async () => {
    await withHostilePeer(role, { controlBacklogBytes: 1000 }, async ({ conn, write, pause }) => {
      pause();
      const flood = Buffer.concat(
        Array.from({ length: 2000 }, () => frameFrom(sender, 0x89, "x".repeat(125))),
      );
      for (let i = 0; i < 50; i++) write(flood);
      write(frameFrom(sender, 0x81, "end"));
      assert.equal(await conn.receive(), "end");
      // One chunk's pongs may wait beside the backlog; a client's are longer by their masks.
      assert.ok(
        conn.bufferedAmount <= 1000 + LENT_BUFFER_BYTES + 2 * 131 + LENT_BUFFER_BYTES / 32,
        `${conn.bufferedAmount}`,
      );
    });
  });

  test(`${role}: a close that is not answered, and a peer that keeps TCP open behind its own, are bounded in time`, async () => {
    await withHostilePeer(role, { closeTimeoutMs: 20 }, async ({ conn }) => {
      const info = ended(conn);
      await conn.close(1001);
      assert.equal(((await info).error as WebSocketNetError).code, "timeout");
    });
    await withHostilePeer(role, { closeTimeoutMs: 20 }, async ({ conn, write }) => {
      write(frameFrom(sender, 0x88, hex("03e8")));
      assert.deepEqual(await ended(conn), { code: 1000, reason: "", wasClean: true });
    });
  });

  test(`${role}: data after its Close frame, and rubbish, come to nothing`, async () => {
    // A client waits for the server to end TCP, but not for ever.
    await withHostilePeer(role, { closeTimeoutMs: 20 }, async ({ conn, write, rest }) => {
      write(
        Buffer.concat([
          frameFrom(sender, 0x88, hex("03e8")),
          frameFrom(sender, 0x81, "late"),
          Buffer.alloc(100_000, 0xff),
        ]),
      );
      assert.equal(await conn.receive(), null);
      const answer = await rest();
      if (role === "server") assert.deepEqual(answer, Buffer.from(hex("880203e8")));
      else assert.equal(answer.length, 8);
    });
  });

  test(`${role}: a peer that is gone in the middle of a message, compressed or not, is an unclean end`, async () => {
    const text = compress(Buffer.from("hola ".repeat(1000)));
    for (const bytes of [
      frameFrom(sender, 0xc1, text).subarray(0, 12),
      frameFrom(sender, 0x41, text.subarray(0, 10)),
      frameFrom(sender, 0x82, Buffer.alloc(4000)).subarray(0, 2000),
    ]) {
      await withHostilePeer(role, { compression: true }, async ({ conn, write, destroy }) => {
        write(Buffer.concat([frameFrom(sender, 0x81, "before"), bytes]));
        assert.equal(await conn.receive(), "before");
        destroy();
        const info: CloseInfo = await ended(conn);
        assert.deepEqual([info.code, info.wasClean], [1006, false]);
      });
    }
  });

  test(`${role}: 131,072 fragments of one byte, a byte at a time on the wire at first, are one message`, async () => {
    await withHostilePeer(role, {}, async ({ conn, write }) => {
      const first = Buffer.concat([frameFrom(sender, 0x01, "a"), frameFrom(sender, 0x00, "a")]);
      for (const byte of first) write(Buffer.from([byte]));
      const piece = frameFrom(sender, 0x00, "a");
      write(Buffer.concat([...Array.from({ length: 131_069 }, () => piece), frameFrom(sender, 0x80, "a")]));
      assert.equal(await conn.receive(), "a".repeat(131_072));
    });
  });
}
