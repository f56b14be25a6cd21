// Section 6: text is UTF-8, and a text that cannot become valid any more fails the connection at once
// (RFC 6455 §8.1).
import type { Case } from "./case.ts";
import type { Peer } from "./peer.ts";
import { CONTINUATION, PING, TEXT } from "./wire.ts";

/** The rows of RFC 3629 §4: the ranges that the bytes of a character lie in. */
const SYNTAX: readonly (readonly (readonly [low: number, high: number])[])[] = [
  [[0x00, 0x7f]],
  [
    [0xc2, 0xdf],
    [0x80, 0xbf],
  ],
  [
    [0xe0, 0xe0],
    [0xa0, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xe1, 0xec],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xed, 0xed],
    [0x80, 0x9f],
    [0x80, 0xbf],
  ],
  [
    [0xee, 0xef],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf0, 0xf0],
    [0x90, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf1, 0xf3],
    [0x80, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf4, 0xf4],
    [0x80, 0x8f],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
];

/**
 * Index of the first byte with which no text begins; `undefined`: valid; the length: cut within a character.
 */
export function firstFault(bytes: Uint8Array): number | undefined {
  for (let at = 0; at < bytes.length; ) {
    let longest = 0;
    let isWhole = false;
    for (const row of SYNTAX) {
      let matched = 0;
      for (const [low, high] of row) {
        const byte = bytes[at + matched];
        if (byte === undefined || byte < low || byte > high) break;
        matched++;
      }
      longest = Math.max(longest, matched);
      if (matched === row.length) isWhole = true;
    }
    if (!isWhole) return at + longest;
    at += longest;
  }
  return undefined;
}

/**
 * Code points from both sides of each border of the encoding, and others that are easily mistaken for wrong.
 */
const codePoints = [
  0x00, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd7ff, 0xe000, 0xfeff, 0xfffd, 0xfffe, 0xffff,
  0x1_0000, 0x3_ffff, 0x4_0000, 0xf_ffff, 0x10_0000, 0x10_ffff,
];
const nonCharacters = [
  0xfdd0,
  0xfdef,
  ...Array.from({ length: 17 }, (_, plane) => [(plane << 16) | 0xfffe, (plane << 16) | 0xffff]).flat(),
];

const valid: readonly (readonly [group: string, bytes: Buffer])[] = [
  ["6.1", Buffer.from("")],
  ["6.2", Buffer.from("Hello-µ@ßöäüàá-UTF-8!!")],
  ["6.5", Buffer.from("κόσμε")],
  ["6.5", Buffer.from("\u{feff}after a byte order mark")],
  ...codePoints.map((point): [string, Buffer] => ["6.6", Buffer.from(String.fromCodePoint(point))]),
  ...nonCharacters.map((point): [string, Buffer] => ["6.7", Buffer.from(String.fromCodePoint(point))]),
  ["6.8", Buffer.from(codePoints.map((point) => String.fromCodePoint(point)).join("-"))],
];

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const PREFIX = "ce ba e1 bd b9 cf 83 ce bc ce b5";
const invalid: readonly (readonly [group: string, title: string, bytes: Buffer])[] = [
  ["6.3", "a surrogate behind Greek", hex(`${PREFIX} ed a0 80 65 64 69 74 65 64`)],
  ["6.4", "past U+10FFFF behind Greek", hex(`${PREFIX} f4 90 80 80 65 64 69 74 65 64`)],
  // Each beginning of a character, alone and before a letter.
  ...[
    "c2",
    "df",
    "e0 a0",
    "e1 80",
    "ed 9f",
    "ef bf",
    "f0 90",
    "f0 90 80",
    "f3 bf bf",
    "f4 8f bf",
    "e2",
    "f1",
    "f4",
  ].flatMap((cut): [string, string, Buffer][] => [
    ["6.9", `cut after ${cut}`, hex(cut)],
    ["6.9", `a letter after ${cut}`, hex(`${cut} 61`)],
  ]),
  ...["80", "bf", "80 bf", "80 bf 80", "80 bf 80 bf 80 bf", "8f 61", "a0", "9f"].map(
    (bytes): [string, string, Buffer] => ["6.14", `continuation alone: ${bytes}`, hex(bytes)],
  ),
  ...[
    "c0",
    "c1",
    "c0 80",
    "c0 af",
    "c1 bf",
    "e0 80 80",
    "e0 80 af",
    "e0 9f bf",
    "f0 80 80 80",
    "f0 80 80 af",
    "f0 8f bf bf",
    "f8 80 80 80 80",
    "f8 87 bf bf bf",
    "f8 88 80 80 80",
    "fc 80 80 80 80 80",
    "fc 83 bf bf bf bf",
    "fc 84 80 80 80 80",
  ].map((bytes): [string, string, Buffer] => ["6.18", `overlong or longer than four: ${bytes}`, hex(bytes)]),
  ...[
    "ed a0 80",
    "ed ad bf",
    "ed ae 80",
    "ed af bf",
    "ed b0 80",
    "ed be 80",
    "ed bf bf",
    "ed a0 80 ed b0 80",
    "ed ad bf ed bf bf",
  ].map((bytes): [string, string, Buffer] => ["6.20", `surrogate: ${bytes}`, hex(bytes)]),
  ...[
    "f4 90 80 80",
    "f5 80 80 80",
    "f7 bf bf bf",
    "f8",
    "fb bf bf bf bf",
    "fc",
    "fd bf bf bf bf bf",
    "fe",
    "ff",
    "fe fe ff ff",
  ].map((bytes): [string, string, Buffer] => [
    "6.21",
    `past the last one, or no byte of UTF-8: ${bytes}`,
    hex(bytes),
  ]),
  ...Array.from({ length: 30 }, (_, i) => Buffer.from([0xc3 + i, 0x20])).map(
    (bytes): [string, string, Buffer] => ["6.12", `lonely first byte ${bytes.toString("hex")}`, bytes],
  ),
];

function number<T extends readonly [group: string, ...rest: unknown[]]>(
  rows: readonly T[],
): { readonly id: string; readonly row: T }[] {
  const counts = new Map<string, number>();
  return rows.map((row) => {
    const [group] = row;
    const count = (counts.get(group) ?? 0) + 1;
    counts.set(group, count);
    return { id: `${group}.${count}`, row };
  });
}

/** Each octet is a fragment. */
function octets(peer: Peer, bytes: Uint8Array, isEnded: boolean): Buffer {
  const frames = Array.from(bytes, (_, i) =>
    peer.frame(i === 0 ? TEXT : CONTINUATION, bytes.subarray(i, i + 1), { isFinal: false }),
  );
  if (isEnded) frames.push(peer.frame(frames.length === 0 ? TEXT : CONTINUATION, ""));
  return Buffer.concat(frames);
}

const validCases: Case[] = number(valid).flatMap(({ id, row: [, bytes] }): Case[] => {
  const name = bytes.length > 12 ? `${bytes.length} bytes` : bytes.toString("hex") || "nothing";
  const ways: readonly (readonly [title: string, (peer: Peer) => Promise<void>])[] = [
    ["in a frame", (peer) => peer.write(peer.frame(TEXT, bytes))],
    ["in a frame, octet by octet", (peer) => peer.write(peer.frame(TEXT, bytes), 1)],
    ["in fragments of an octet", (peer) => peer.write(octets(peer, bytes, true))],
    ["in fragments of an octet, each octet by octet", (peer) => peer.write(octets(peer, bytes, true), 1)],
  ];
  return ways.map(([title, send], i) => ({
    id: `${id}-${i + 1}`,
    title: `valid: ${name} ${title}`,
    async run(peer) {
      await send(peer);
      await peer.echoes(TEXT, bytes);
      await peer.finish();
    },
  }));
});

const invalidCases: Case[] = number(invalid).flatMap(({ id, row: [, title, bytes] }): Case[] => {
  const fault = firstFault(bytes);
  if (fault === undefined) throw new Error(`${id} is valid`);
  // Nothing else is sent than what proves it wrong: whoever waits for more hangs here.
  const upToFault = bytes.subarray(0, fault + 1);
  const isCut = fault === bytes.length;
  const ways: readonly (readonly [title: string, (peer: Peer) => Promise<void>])[] = [
    ["in a frame", (peer) => peer.write(peer.frame(TEXT, bytes))],
    [
      isCut ? "in a frame, octet by octet" : "up to the wrong octet of a longer frame, octet by octet",
      (peer) => {
        const frame = peer.frame(TEXT, isCut ? bytes : Buffer.concat([bytes, Buffer.alloc(100, "a")]));
        const end = isCut ? frame.length : frame.length - 100 - bytes.length + upToFault.length;
        return peer.write(frame.subarray(0, end), 1);
      },
    ],
    [
      isCut ? "in fragments of an octet" : "in fragments of an octet, up to the wrong one, not the last",
      (peer) => peer.write(octets(peer, upToFault, isCut)),
    ],
    [
      "behind 70,000 valid bytes, in the same write",
      (peer) => {
        const before = Buffer.alloc(70_000, "ñandú €");
        const start = Buffer.from(before.toString("utf8").replaceAll("\ufffd", ""));
        return peer.write(
          Buffer.concat([
            peer.frame(TEXT, start, { isFinal: false }),
            peer.frame(CONTINUATION, upToFault, { isFinal: isCut }),
          ]),
        );
      },
    ],
  ];
  return ways.map(([way, send], i) => ({
    id: `${id}-${i + 1}`,
    title: `invalid: ${title}, ${way}`,
    async run(peer) {
      await send(peer);
      await peer.fails(1007);
    },
  }));
});

const more: Case[] = [
  {
    id: "6.1.2",
    title: "three empty fragments",
    async run(peer) {
      await peer.write(
        Buffer.concat([
          peer.frame(TEXT, "", { isFinal: false }),
          peer.frame(CONTINUATION, "", { isFinal: false }),
          peer.frame(CONTINUATION, ""),
        ]),
      );
      await peer.echoes(TEXT, "");
      await peer.finish();
    },
  },
  {
    id: "6.4.1",
    title: "three fragments, the second wrong: alive after the first, fails at the second",
    async run(peer) {
      await peer.write(peer.frame(TEXT, hex(PREFIX), { isFinal: false }));
      await peer.isAlive();
      await peer.write(peer.frame(CONTINUATION, hex("f4 90 80 80"), { isFinal: false }));
      await peer.fails(1007);
    },
  },
  {
    id: "6.4.2",
    title: "the wrong character is cut: alive after its first octet, fails at its second",
    async run(peer) {
      await peer.write(peer.frame(TEXT, hex(`${PREFIX} f4`), { isFinal: false }));
      await peer.isAlive();
      await peer.write(peer.frame(CONTINUATION, hex("90"), { isFinal: false }));
      await peer.fails(1007);
    },
  },
  {
    id: "6.4.3",
    title: "a character over three fragments with pings between",
    async run(peer) {
      await peer.write(peer.frame(TEXT, hex("f0"), { isFinal: false }));
      await peer.isAlive();
      await peer.write(peer.frame(CONTINUATION, hex("9f 92"), { isFinal: false }));
      await peer.write(peer.frame(PING, "in between"));
      await peer.pongs("in between");
      await peer.write(peer.frame(CONTINUATION, hex("a9")));
      await peer.echoes(TEXT, "💩");
      await peer.finish();
    },
  },
  {
    id: "6.4.4",
    title: "a binary message may hold anything",
    async run(peer) {
      for (const [, , bytes] of invalid) await peer.write(peer.frame(2, bytes));
      for (const [, , bytes] of invalid) await peer.echoes(2, bytes);
      await peer.finish();
    },
  },
  {
    id: "6.4.5",
    title: "a message before the wrong one is echoed",
    async run(peer) {
      await peer.write(Buffer.concat([peer.frame(TEXT, "good"), peer.frame(TEXT, hex("ff"))]));
      await peer.echoes(TEXT, "good");
      await peer.fails(1007);
    },
  },
];

export const textCases: readonly Case[] = [...validCases, ...more, ...invalidCases];
