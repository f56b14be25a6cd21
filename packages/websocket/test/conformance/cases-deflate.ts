// Section 12: compressed messages (RFC 7692 §7.2).
import { constants, deflateRawSync } from "node:zlib";
import { type Case, must } from "./case.ts";
import { rows } from "./many-messages.ts";
import { KINDS, messageOf, textOf } from "./payload.ts";
import type { Peer } from "./peer.ts";
import { BINARY, CONTINUATION, PING, TEXT } from "./wire.ts";

const data: Case[] = KINDS.flatMap((kind, i) => rows(`12.${i + 1}`, kind, "as it comes", [20, 1000], {}));
data.push({
  id: "12.6.1",
  title: "1,000 empty messages, compressed or not, text or binary",
  needsCompression: true,
  async run(peer) {
    for (let i = 0; i < 1000; i++) {
      const opcode = i % 2 === 0 ? TEXT : BINARY;
      await peer.write(i % 3 === 0 ? peer.frame(opcode) : peer.compressed(opcode, Buffer.alloc(0)));
      await peer.echoes(opcode, "");
    }
    await peer.finish();
  },
});

// --- what RFC 7692 §7.2.3 allows a sender

const HELLO = Buffer.from("f248cdc9c90700", "hex");
const sent = (peer: Peer, plain: string): void => peer.outgoing?.sent(Buffer.from(plain));
const keepsContext = (peer: Peer): boolean =>
  peer.agreed !== undefined &&
  !(peer.role === "client" ? peer.agreed.clientNoContextTakeover : peer.agreed.serverNoContextTakeover);

const forms: readonly [id: string, title: string, run: (peer: Peer) => Promise<void>][] = [
  ["12.7.1", "one block", (peer) => hello(peer, HELLO, 100)],
  ["12.7.2", "in fragments of 3", (peer) => hello(peer, HELLO, 3)],
  ["12.7.3", "in fragments of one octet", (peer) => hello(peer, HELLO, 1)],
  [
    "12.7.4",
    "a block that is not compressed",
    (peer) => hello(peer, Buffer.from("000500faff48656c6c6f00", "hex"), 100),
  ],
  ["12.7.5", "a block with BFINAL", (peer) => hello(peer, Buffer.from("f348cdc9c9070000", "hex"), 100)],
  [
    "12.7.6",
    "two blocks",
    (peer) => hello(peer, Buffer.from("f248050000 00ffff cac9c90700".replaceAll(" ", ""), "hex"), 100),
  ],
  [
    "12.7.7",
    "a message that is nothing but a reference to the one before",
    async (peer) => {
      must(keepsContext(peer), "the context should be kept");
      await peer.write(peer.fragments(TEXT, HELLO, 100, 4));
      await peer.write(peer.fragments(TEXT, Buffer.from("f200110000", "hex"), 100, 4));
      for (let i = 0; i < 2; i++) {
        sent(peer, "Hello");
        await peer.echoes(TEXT, "Hello");
      }
      await peer.finish();
    },
  ],
  [
    "12.7.8",
    "messages that are not compressed do not enter the window",
    async (peer) => {
      for (let i = 0; i < 50; i++) {
        const message = messageOf("json", 900, i);
        await peer.write(i % 3 === 1 ? peer.frame(TEXT, message) : peer.compressed(TEXT, message));
        await peer.echoes(TEXT, message);
      }
      await peer.finish();
    },
  ],
  [
    "12.7.9",
    "an empty fragment first, empty ones between, an empty one last, and a ping",
    async (peer) => {
      const message = textOf(3000);
      const compressed = peer.outgoing?.compress(message) ?? message;
      const half = compressed.length >> 1;
      await peer.write(
        Buffer.concat([
          peer.frame(TEXT, "", { rsv: 4, isFinal: false }),
          peer.frame(CONTINUATION, compressed.subarray(0, half), { isFinal: false }),
          peer.frame(PING, "between"),
          peer.frame(CONTINUATION, "", { isFinal: false }),
          peer.frame(CONTINUATION, compressed.subarray(half), { isFinal: false }),
          peer.frame(CONTINUATION, ""),
        ]),
      );
      await peer.pongs("between");
      await peer.echoes(TEXT, message);
      await peer.finish();
    },
  ],
  [
    "12.7.10",
    "every level of compression, octet by octet",
    async (peer) => {
      for (let level = 1; level <= 9; level++) {
        const message = messageOf("prose", 2000, level);
        await peer.write(peer.compressed(TEXT, message, 100, level), 1);
        await peer.echoes(TEXT, message);
      }
      await peer.finish();
    },
  ],
  [
    "12.7.11",
    "16 MiB, compressed to a thousandth",
    async (peer) => {
      const message = Buffer.alloc(16_777_216, "abcdefgh");
      await peer.write(peer.compressed(BINARY, message));
      await peer.echoes(BINARY, message);
      await peer.finish();
    },
  ],
  [
    "12.8.1",
    "RSV1 on the continuation of a compressed message",
    (peer) =>
      fails(peer, 1002, [
        peer.fragments(TEXT, HELLO, 100, 4),
        peer.frame(TEXT, HELLO.subarray(0, 3), { rsv: 4, isFinal: false }),
        peer.frame(CONTINUATION, HELLO.subarray(3), { rsv: 4 }),
      ]),
  ],
  [
    "12.8.2",
    "bytes that are no DEFLATE",
    (peer) =>
      fails(peer, 1007, [
        peer.fragments(TEXT, HELLO, 100, 4),
        peer.frame(TEXT, Buffer.alloc(20, 0xff), { rsv: 4 }),
      ]),
  ],
  [
    "12.8.3",
    "text that is not UTF-8 once it is inflated",
    (peer) =>
      fails(peer, 1007, [
        peer.fragments(TEXT, HELLO, 100, 4),
        peer.frame(
          TEXT,
          deflateRawSync(Buffer.from([0x61, 0xff, 0x61]), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(
            0,
            -4,
          ),
          { rsv: 4 },
        ),
      ]),
  ],
  [
    "12.8.4",
    "a reference to before the first byte",
    (peer) => fails(peer, 1007, [peer.frame(TEXT, Buffer.from("f200110000", "hex"), { rsv: 4 })], false),
  ],
  [
    "12.8.5",
    "65 MiB of zeros in a few bytes",
    (peer) =>
      fails(peer, 1009, [
        peer.fragments(TEXT, HELLO, 100, 4),
        peer.frame(
          BINARY,
          deflateRawSync(Buffer.alloc(68_157_440), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4),
          { rsv: 4 },
        ),
      ]),
  ],
  [
    "12.8.6",
    "a fragment that inflates to wrong UTF-8: fails at once, not at the end of the message",
    async (peer) => {
      const wrong = deflateRawSync(Buffer.from([0x61, 0xed, 0xa0]), { finishFlush: constants.Z_SYNC_FLUSH });
      await peer.write(peer.frame(TEXT, wrong, { rsv: 4, isFinal: false }));
      await peer.fails(1007);
    },
  ],
  [
    "12.8.7",
    "a bomb in fragments: fails when it goes off, not at the end of the message",
    async (peer) => {
      const bomb = deflateRawSync(Buffer.alloc(68_157_440), { finishFlush: constants.Z_SYNC_FLUSH });
      const frames = peer.fragments(BINARY, bomb, 4096, 4);
      // Without the last frame.
      await peer.write(frames.subarray(0, frames.length - 1000));
      await peer.fails(1009);
    },
  ],
];

async function hello(peer: Peer, compressed: Buffer, size: number): Promise<void> {
  await peer.write(peer.fragments(TEXT, compressed, size, 4));
  await peer.echoes(TEXT, "Hello");
  await peer.finish();
}

async function fails(peer: Peer, code: number, frames: Buffer[], isAfterHello = true): Promise<void> {
  await peer.write(Buffer.concat(frames));
  if (isAfterHello) await peer.echoes(TEXT, "Hello");
  await peer.fails(code);
}

const formCases: Case[] = forms.map(([id, title, run]) => ({
  id,
  title,
  needsCompression: true,
  isLong: id === "12.7.11" || id === "12.8.5" || id === "12.8.7",
  run,
}));

export const deflateCases: readonly Case[] = [...data, ...formCases];
