// Sections 9 and 10: large messages, many fragments, small writes, round trips.
import type { Case } from "./case.ts";
import { noiseOf, textOf } from "./payload.ts";
import { BINARY, CONTINUATION, TEXT } from "./wire.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** From here on a case is only in the complete run, in bytes. */
const LONG_BYTES = 2 * MIB;

function payloadOf(opcode: number, length: number): Buffer {
  return opcode === TEXT ? textOf(length) : noiseOf(length);
}

function sizeName(bytes: number): string {
  return bytes >= MIB ? `${bytes / MIB} MiB` : bytes >= KIB ? `${bytes / KIB} KiB` : `${bytes} bytes`;
}

const kinds = [
  [TEXT, "text"],
  [BINARY, "binary"],
] as const;

const whole: Case[] = kinds.flatMap(([opcode, name], kind) =>
  [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB].map(
    (length, i): Case => ({
      id: `9.${kind + 1}.${i + 1}`,
      title: `${name} of ${sizeName(length)} in one frame`,
      isLong: length > LONG_BYTES,
      async run(peer) {
        const payload = payloadOf(opcode, length);
        await peer.write(peer.frame(opcode, payload));
        await peer.echoes(opcode, payload);
        await peer.finish();
      },
    }),
  ),
);

const fragmented: Case[] = kinds.flatMap(([opcode, name], kind) =>
  [4 * MIB, 16 * MIB].flatMap((length, i) =>
    [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB].map(
      (size, j): Case => ({
        id: `9.${kind + 3}.${j + 1}${"ab"[i]}`,
        title: `${name} of ${sizeName(length)} in frames of ${sizeName(size)}`,
        isLong: true,
        async run(peer) {
          const payload = payloadOf(opcode, length);
          await peer.write(peer.fragments(opcode, payload, size));
          await peer.echoes(opcode, payload);
          await peer.finish();
        },
      }),
    ),
  ),
);

const chopped: Case[] = kinds.flatMap(([opcode, name], kind) =>
  [64, 128, 256, 512, 1024, 2048].map(
    (chop, i): Case => ({
      id: `9.${kind + 5}.${i + 1}`,
      title: `${name} of 1 MiB, written ${chop} bytes at a time`,
      isLong: chop < 1024,
      async run(peer) {
        const payload = payloadOf(opcode, MIB);
        await peer.write(peer.frame(opcode, payload), chop);
        await peer.echoes(opcode, payload);
        await peer.finish();
      },
    }),
  ),
);

const roundTrips: Case[] = kinds.flatMap(([opcode, name], kind) =>
  [0, 16, 64, 256, 1024, 4096, 16_384, 65_536].flatMap((length, i) =>
    [100, 1000].map(
      (count): Case => ({
        id: `9.${kind + 7}.${i + 1}${count === 100 ? "q" : ""}`,
        title: `${count} round trips of ${name} of ${length} bytes`,
        isLong: count === 1000,
        async run(peer) {
          const payload = payloadOf(opcode, length);
          const frame = peer.frame(opcode, payload);
          for (let i = 0; i < count; i++) {
            await peer.write(frame);
            await peer.echoes(opcode, payload);
          }
          await peer.finish();
        },
      }),
    ),
  ),
);

const limits: Case[] = [
  {
    id: "9.9.1",
    title: "131,072 fragments of one byte",
    async run(peer) {
      const payload = Buffer.alloc(131_072, "*");
      await peer.write(peer.fragments(TEXT, payload, 1));
      await peer.echoes(TEXT, payload);
      await peer.finish();
    },
  },
  {
    id: "9.9.2",
    title: "1 MiB of fragments with an empty one behind each",
    isLong: true,
    async run(peer) {
      const payload = noiseOf(MIB);
      const empty = peer.frame(CONTINUATION, "", { isFinal: false });
      const parts: Buffer[] = [];
      for (let at = 0; at < payload.length; at += 64) {
        const piece = payload.subarray(at, at + 64);
        parts.push(peer.frame(at === 0 ? BINARY : CONTINUATION, piece, { isFinal: false }), empty);
      }
      await peer.write(Buffer.concat([...parts, peer.frame(CONTINUATION, "")]));
      await peer.echoes(BINARY, payload);
      await peer.finish();
    },
  },
  {
    id: "9.9.3",
    title: "64 MiB, the limit, and then one byte more",
    isLong: true,
    async run(peer) {
      const payload = Buffer.alloc(64 * MIB + 1, 0x5a);
      await peer.write(peer.frame(BINARY, payload.subarray(1)));
      await peer.echoes(BINARY, payload.subarray(1));
      await peer.write(peer.frame(BINARY, payload).subarray(0, 14));
      await peer.fails(1009);
    },
  },
  {
    id: "9.9.4",
    title: "1,000 messages of 1 KiB in one write come back in order",
    async run(peer) {
      const messages = Array.from({ length: 1000 }, (_, i) =>
        Buffer.concat([Buffer.from(`${i} `), noiseOf(KIB, i)]),
      );
      await peer.write(Buffer.concat(messages.map((message) => peer.frame(BINARY, message))));
      for (const message of messages) await peer.echoes(BINARY, message);
      await peer.finish();
    },
  },
  {
    id: "10.1.1",
    title: "65,536 bytes of text in frames of 1,300",
    async run(peer) {
      const payload = textOf(65_536);
      await peer.write(peer.fragments(TEXT, payload, 1300));
      await peer.echoes(TEXT, payload);
      await peer.finish();
    },
  },
];

export const loadCases: readonly Case[] = [...whole, ...fragmented, ...chopped, ...roundTrips, ...limits];
