// Sections 1 to 5: lengths, ping and pong, reserved bits, opcodes, fragmentation.
import type { Case } from "./case.ts";
import type { Peer } from "./peer.ts";
import { BINARY, CLOSE, closing, CONTINUATION, PING, PONG, TEXT } from "./wire.ts";

/** How the bytes of a case are cut into writes: as they are, by frames, by a number of bytes. */
const CUTS = [
  ["in one write", undefined],
  ["octet by octet", 1],
] as const;
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

const lengths = [0, 125, 126, 127, 128, 65_535, 65_536];
const framing: Case[] = [TEXT, BINARY].flatMap((opcode, kind) =>
  lengths.flatMap((length, i) =>
    [undefined, 1, 997].flatMap((chop): Case[] => {
      if (
        chop !== undefined &&
        (length === 0 || (chop === 1 && length > 1000) || (chop > 1 && length < 1000))
      )
        return [];
      const payload = opcode === TEXT ? Buffer.alloc(length, "*") : Buffer.alloc(length, ALL_BYTES);
      return [
        {
          id: `1.${kind + 1}.${i + 1}${chop === undefined ? "" : `-${chop}`}`,
          title: `${opcode === TEXT ? "text" : "binary"} of ${length} bytes${chop === undefined ? "" : `, cut into ${chop}s`}`,
          async run(peer) {
            await peer.write(peer.frame(opcode, payload), chop);
            await peer.echoes(opcode, payload);
            await peer.finish();
          },
        },
      ];
    }),
  ),
);
for (const chop of [2, 3, 5, 7, 13, 64, 251, 499, 996]) {
  framing.push({
    id: `1.3.${chop}`,
    title: `65,536 bytes of text and as many of binary, cut into ${chop}s`,
    isLong: chop < 13,
    async run(peer) {
      const text = Buffer.alloc(65_536, "0123456789ñ");
      await peer.write(Buffer.concat([peer.frame(TEXT, text), peer.frame(BINARY, ALL_BYTES)]), chop);
      await peer.echoes(TEXT, text);
      await peer.echoes(BINARY, ALL_BYTES);
      await peer.finish();
    },
  });
}

const pings: Case[] = [
  ping("2.1", "without payload", ""),
  ping("2.2", "with text", "Hello, world!"),
  ping("2.3", "with bytes", Buffer.from("00fffefdfcfb00ff", "hex")),
  ping("2.4", "of 125 bytes", Buffer.alloc(125, 0xfe)),
  {
    id: "2.5",
    title: "ping of 126 bytes",
    run: breaking((peer) => [peer.frame(PING, Buffer.alloc(126, 0xfe))]),
  },
  {
    id: "2.5b",
    title: "pong of 126 bytes",
    run: breaking((peer) => [peer.frame(PONG, Buffer.alloc(126, 0xfe))]),
  },
  ping("2.6", "of 125 bytes, octet by octet", Buffer.alloc(125, 0xfe), 1),
  {
    id: "2.7",
    title: "pong that nobody asked for, without payload",
    async run(peer) {
      await peer.write(peer.frame(PONG));
      await peer.finish();
    },
  },
  {
    id: "2.8",
    title: "pong that nobody asked for, with payload",
    async run(peer) {
      await peer.write(peer.frame(PONG, "unsolicited pong payload"));
      await peer.finish();
    },
  },
  {
    id: "2.9",
    title: "pong that nobody asked for, then a ping",
    async run(peer) {
      await peer.write(Buffer.concat([peer.frame(PONG, "unsolicited"), peer.frame(PING, "ping payload")]));
      await peer.pongs("ping payload");
      await peer.finish();
    },
  },
  ...[undefined, 1].map(
    (chop, i): Case => ({
      id: `2.1${i}`,
      title: `ten pings${chop === 1 ? ", octet by octet" : ""}`,
      async run(peer) {
        const payloads = Array.from({ length: 10 }, (_, n) => `payload-${n}`);
        await peer.write(Buffer.concat(payloads.map((payload) => peer.frame(PING, payload))), chop);
        for (const payload of payloads) await peer.pongs(payload);
        await peer.finish();
      },
    }),
  ),
];

pings.push(
  {
    id: "2.12",
    title: "1,000 pings of 125 bytes in one write: a pong for each",
    async run(peer) {
      const payloads = Array.from({ length: 1000 }, (_, n) => `${n} `.padEnd(125, "x"));
      await peer.write(Buffer.concat(payloads.map((payload) => peer.frame(PING, payload))));
      for (const payload of payloads) await peer.pongs(payload);
      await peer.finish();
    },
  },
  {
    id: "2.13",
    title: "pings behind a message of 1 MiB: answered behind its echo, each",
    async run(peer) {
      const large = Buffer.alloc(1_048_576, 0x7e);
      const behind = ["a", "b", "c"].map((payload) => peer.frame(PING, payload));
      await peer.write(Buffer.concat([peer.frame(BINARY, large), ...behind]));
      await peer.echoes(BINARY, large);
      for (const payload of ["a", "b", "c"]) await peer.pongs(payload);
      await peer.finish();
    },
  },
);

function ping(id: string, title: string, payload: Uint8Array | string, chop?: number): Case {
  return {
    id,
    title: `ping ${title}`,
    async run(peer) {
      await peer.write(peer.frame(PING, payload), chop);
      await peer.pongs(payload);
      await peer.finish();
    },
  };
}

/**
 * Frames of which the last one breaks the protocol. A message before is echoed, a ping behind is not
 * answered, and the connection fails with 1002.
 *
 * @param isAfterMessage begin with a whole message.
 */
function breaking(frames: (peer: Peer) => Buffer[], isAfterMessage = false, chop?: number) {
  return async (peer: Peer): Promise<void> => {
    const before = isAfterMessage ? [peer.frame(TEXT, "Hello, world!")] : [];
    await peer.write(Buffer.concat([...before, ...frames(peer), peer.frame(PING, "late")]), chop);
    if (isAfterMessage) await peer.echoes(TEXT, "Hello, world!");
    await peer.fails(1002);
  };
}

const kinds = [
  ["text", TEXT],
  ["binary", BINARY],
  ["continuation", CONTINUATION],
  ["close", CLOSE],
  ["ping", PING],
  ["pong", PONG],
] as const;
const reserved: Case[] = [1, 2, 3, 4, 5, 6, 7].flatMap((rsv) =>
  kinds.flatMap(([name, opcode]) =>
    CUTS.flatMap(([cut, chop], i): Case[] => {
      const frames = (peer: Peer): Buffer[] => {
        const payload = opcode === CLOSE ? closing(1000) : Buffer.from("x");
        const bad = peer.frame(opcode, payload, { rsv });
        return opcode === CONTINUATION ? [peer.frame(TEXT, "begun", { isFinal: false }), bad] : [bad];
      };
      const isMessage = opcode === TEXT || opcode === BINARY;
      return [false, true].map((isAfterMessage) => ({
        id: `3.${rsv}.${opcode}${isAfterMessage ? "b" : "a"}${i + 1}`,
        title: `RSV ${rsv} on ${name}${isAfterMessage ? ", after a message" : ""}, ${cut}`,
        // With compression RSV1 says that a message is compressed.
        ...(rsv === 4 && isMessage ? { needsPlain: true } : {}),
        run: breaking(frames, isAfterMessage, chop),
      }));
    }),
  ),
);

const opcodes: Case[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) =>
  ["", "reserved opcode payload"].flatMap((payload) =>
    [false, true].flatMap((isAfterMessage) =>
      CUTS.map(
        ([cut, chop], i): Case => ({
          id: `4.${opcode < 8 ? 1 : 2}.${opcode}${payload === "" ? "a" : "b"}${isAfterMessage ? "b" : "a"}${i + 1}`,
          title: `opcode ${opcode} ${payload === "" ? "without" : "with"} payload${isAfterMessage ? ", after a message" : ""}, ${cut}`,
          run: breaking((peer) => [peer.frame(opcode, payload)], isAfterMessage, chop),
        }),
      ),
    ),
  ),
);

/** How the frames of section 5 are told; what comes back is told the same way. */
type Step =
  | { readonly send: readonly [opcode: number, payload: string, isFinal: boolean][] }
  | { readonly echo: string }
  | { readonly pong: string };
const part = (opcode: number, payload: string, isFinal = false): [number, string, boolean] => [
  opcode,
  payload,
  isFinal,
];
const F1 = part(TEXT, "fragment1");
const F2 = part(CONTINUATION, "fragment2", true);
const BOTH = "fragment1fragment2";
const PINGED = part(PING, "ping payload", true);
const LONE = part(CONTINUATION, "non-continuation payload", true);
const LONE_OPEN = part(CONTINUATION, "non-continuation payload");
const HELLO = part(TEXT, "Hello, world!", true);

/** `fails`: with 1002 after all steps. */
const fragmentations: readonly [id: string, title: string, steps: readonly Step[], fails?: true][] = [
  ["5.1", "a ping in two fragments", [{ send: [part(PING, "a"), part(CONTINUATION, "b", true)] }], true],
  ["5.2", "a pong in two fragments", [{ send: [part(PONG, "a"), part(CONTINUATION, "b", true)] }], true],
  [
    "5.2b",
    "a close in two fragments",
    [{ send: [part(CLOSE, "\x03"), part(CONTINUATION, "\xe8", true)] }],
    true,
  ],
  ["5.3", "text in two fragments", [{ send: [F1, F2] }, { echo: BOTH }]],
  [
    "5.6",
    "a ping between two fragments",
    [{ send: [F1, PINGED, F2] }, { pong: "ping payload" }, { echo: BOTH }],
  ],
  [
    "5.6b",
    "a ping between is answered before the message has ended",
    [{ send: [F1, PINGED] }, { pong: "ping payload" }, { send: [F2] }, { echo: BOTH }],
  ],
  ["5.6c", "a pong between two fragments", [{ send: [F1, part(PONG, "pong", true), F2] }, { echo: BOTH }]],
  ["5.9", "a last continuation of nothing", [{ send: [LONE, HELLO] }], true],
  ["5.12", "a continuation of nothing", [{ send: [LONE_OPEN, HELLO] }], true],
  [
    "5.15",
    "a continuation after a message has ended",
    [{ send: [F1, F2, part(CONTINUATION, "fragment3"), part(TEXT, "fragment4", true)] }, { echo: BOTH }],
    true,
  ],
  [
    "5.16",
    "continuation, text, continuation, twice",
    [
      {
        send: [
          LONE_OPEN,
          part(TEXT, "a"),
          part(CONTINUATION, "b", true),
          LONE_OPEN,
          part(TEXT, "a"),
          part(CONTINUATION, "b", true),
        ],
      },
    ],
    true,
  ],
  [
    "5.17",
    "last continuation, text, continuation, twice",
    [
      {
        send: [
          LONE,
          part(TEXT, "a"),
          part(CONTINUATION, "b", true),
          LONE,
          part(TEXT, "a"),
          part(CONTINUATION, "b", true),
        ],
      },
    ],
    true,
  ],
  ["5.18", "a text within a text", [{ send: [F1, part(TEXT, "fragment2", true)] }], true],
  ["5.18b", "a binary within a text", [{ send: [F1, part(BINARY, "fragment2", true)] }], true],
  ["5.18c", "an unfinished text within a text", [{ send: [F1, part(TEXT, "fragment2")] }], true],
  [
    "5.19",
    "five fragments and two pings, with pauses between",
    [
      { send: [F1, part(CONTINUATION, "fragment2"), part(PING, "ping 1", true)] },
      { pong: "ping 1" },
      {
        send: [part(CONTINUATION, "fragment3"), part(PING, "ping 2", true), part(CONTINUATION, "fragment4")],
      },
      { pong: "ping 2" },
      { send: [part(CONTINUATION, "fragment5", true)] },
      { echo: "fragment1fragment2fragment3fragment4fragment5" },
    ],
  ],
  [
    "5.20",
    "empty fragments before, between and behind",
    [
      {
        send: [
          part(TEXT, ""),
          part(CONTINUATION, ""),
          part(CONTINUATION, "a"),
          part(CONTINUATION, ""),
          part(CONTINUATION, "", true),
        ],
      },
      { echo: "a" },
    ],
  ],
  [
    "5.21",
    "fragments, then whole messages, then fragments",
    [{ send: [F1, F2, HELLO, F1, F2] }, { echo: BOTH }, { echo: "Hello, world!" }, { echo: BOTH }],
  ],
];

const fragments: Case[] = fragmentations.flatMap(([id, title, steps, fails]) =>
  (["in one write", "frame by frame", "octet by octet"] as const).map(
    (cut, i): Case => ({
      id: `${id}-${i + 1}`,
      title: `${title}, ${cut}`,
      async run(peer) {
        for (const step of steps) {
          if ("echo" in step) await peer.echoes(TEXT, step.echo);
          else if ("pong" in step) await peer.pongs(step.pong);
          else {
            const frames = step.send.map(([opcode, payload, isFinal]) =>
              peer.frame(opcode, Buffer.from(payload, "latin1"), { isFinal }),
            );
            if (i === 1) for (const frame of frames) await peer.write(frame, frame.length - 1);
            else await peer.write(Buffer.concat(frames), i === 2 ? 1 : undefined);
          }
        }
        await (fails ? peer.fails(1002) : peer.finish());
      },
    }),
  ),
);

/** A header by hand. @param size of the length field; the mask is zero. */
function header(
  peer: Peer,
  first: number,
  length: bigint,
  size: 2 | 8,
  isMasked = peer.role === "client",
): Buffer {
  const bytes = Buffer.alloc(2 + size);
  bytes[0] = first;
  bytes[1] = (isMasked ? 0x80 : 0) | (size === 2 ? 126 : 127);
  if (size === 2) bytes.writeUInt16BE(Number(length), 2);
  else bytes.writeBigUInt64BE(length, 2);
  return isMasked ? Buffer.concat([bytes, Buffer.alloc(4)]) : bytes;
}

const headers: readonly [title: string, code: number, bytes: (peer: Peer) => Buffer][] = [
  ["125 in 16 bits", 1002, (peer) => header(peer, 0x82, 125n, 2)],
  ["0 in 16 bits", 1002, (peer) => header(peer, 0x81, 0n, 2)],
  ["65,535 in 64 bits", 1002, (peer) => header(peer, 0x82, 65_535n, 8)],
  ["0 in 64 bits", 1002, (peer) => header(peer, 0x81, 0n, 8)],
  ["2^63", 1002, (peer) => header(peer, 0x82, 2n ** 63n, 8)],
  ["2^64-1", 1002, (peer) => header(peer, 0x82, 2n ** 64n - 1n, 8)],
  ["2^31, past the limit, before any payload", 1009, (peer) => header(peer, 0x82, 2n ** 31n, 8)],
  ["2^53, past the limit", 1009, (peer) => header(peer, 0x82, 2n ** 53n, 8)],
  ["2^63-1, past the limit", 1009, (peer) => header(peer, 0x82, 2n ** 63n - 1n, 8)],
  ["a mask on the wrong side", 1002, (peer) => header(peer, 0x82, 126n, 2, peer.role === "server")],
];
const wrongHeaders: Case[] = headers.map(([title, code, bytes], i) => ({
  id: `1.4.${i + 1}`,
  title: `frame header: ${title}`,
  async run(peer) {
    await peer.write(bytes(peer));
    await peer.fails(code);
  },
}));

export const framingCases: readonly Case[] = [
  ...framing,
  ...wrongHeaders,
  ...pings,
  ...reserved,
  ...opcodes,
  ...fragments,
];
