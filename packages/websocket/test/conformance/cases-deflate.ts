// Sections 12 and 13: permessage-deflate (RFC 7692).
import { constants, deflateRawSync } from "node:zlib";
import { type Case, must } from "./case.ts";
import type { Agreed, Offer } from "./deflate.ts";
import { KINDS, type Kind, messageOf, textOf } from "./payload.ts";
import type { Peer } from "./peer.ts";
import { BINARY, CONTINUATION, PING, TEXT } from "./wire.ts";

/** Messages on their way at once. */
const IN_FLIGHT = 4;
const SIZES = [16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072] as const;
/** Message and frame sizes. */
const FRAGMENTED = [
  [8192, 256],
  [16_384, 256],
  [32_768, 1024],
  [32_768, 4096],
  [65_536, 4096],
  [65_536, 65_536],
  [131_072, 16_384],
  [131_072, 65_536],
] as const;

/** Sends `count` messages and holds against each what comes back. */
async function manyMessages(
  peer: Peer,
  kind: Kind,
  size: number,
  count: number,
  frameBytes?: number,
): Promise<void> {
  const opcode = kind === "random" || kind === "repeated" ? BINARY : TEXT;
  const level = size > 10_000 ? 1 : 6;
  let compressed = 0;
  for (let sent = 0, back = 0; back < count; back++) {
    for (; sent < count && sent < back + IN_FLIGHT; sent++) {
      await peer.write(peer.compressed(opcode, messageOf(kind, size, sent), frameBytes, level));
    }
    const expected = messageOf(kind, size, back);
    const message = await peer.message();
    must(message.opcode === opcode, `opcode ${message.opcode} for ${opcode}`);
    must(message.payload.equals(expected), `message ${back} came back wrong`);
    if (message.wasCompressed) compressed++;
  }
  // Nobody has to compress, but somebody who never does has not been tested.
  must(size < 1024 || kind === "random" || compressed > 0, "nothing came back compressed");
  await peer.finish();
}

function rows(
  group: string,
  kind: Kind,
  title: string,
  counts: readonly number[],
  extra: Partial<Case>,
): Case[] {
  return counts.flatMap((count) => {
    const isLong = count === 1000;
    const sizes = isLong ? SIZES : SIZES.filter((size) => size === 16 || size === 1024 || size === 65_536);
    const frames = isLong ? FRAGMENTED : FRAGMENTED.slice(0, 1);
    return [...sizes.map((size) => [size, undefined] as const), ...frames].map(
      ([size, frameBytes], i): Case => ({
        id: `${group}.${i + 1}${isLong ? "" : "q"}`,
        title: `${title}: ${count} × ${size} bytes of ${kind}${frameBytes === undefined ? "" : ` in frames of ${frameBytes}`}`,
        isLong,
        needsCompression: true,
        ...extra,
        run: (peer) => manyMessages(peer, kind, size, count, frameBytes),
      }),
    );
  });
}

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

// --- negotiation

const ALL_BITS = [8, 9, 10, 11, 12, 13, 14, 15];
const BORDERS: readonly unknown[] = [undefined, true, 8, 9, 15];

interface Wanted {
  readonly serverNo: boolean;
  readonly clientNo: boolean;
  readonly serverBits: number | undefined;
  /** `true`: without a value. */
  readonly clientBits: number | true | undefined;
}

function words({ serverNo, clientNo, serverBits, clientBits }: Wanted): string {
  return [
    "permessage-deflate",
    ...(serverNo ? ["server_no_context_takeover"] : []),
    ...(clientNo ? ["client_no_context_takeover"] : []),
    ...(serverBits === undefined ? [] : [`server_max_window_bits=${serverBits}`]),
    ...(clientBits === undefined
      ? []
      : [clientBits === true ? "client_max_window_bits" : `client_max_window_bits=${clientBits}`]),
  ].join("; ");
}

const combinations: Wanted[] = [false, true].flatMap((serverNo) =>
  [false, true].flatMap((clientNo) =>
    [undefined, ...ALL_BITS].flatMap((serverBits) =>
      [undefined, true as const, ...ALL_BITS].map((clientBits) => ({
        serverNo,
        clientNo,
        serverBits,
        clientBits,
      })),
    ),
  ),
);

/** Messages of several sizes, some of which refer far back. */
async function talk(peer: Peer): Promise<void> {
  for (const [i, size] of [40, 300, 1000, 5000, 40, 40_000, 1000].entries()) {
    const message = messageOf(i === 3 ? "repeated" : "json", size, i);
    await peer.write(peer.compressed(TEXT, message, i % 2 === 0 ? undefined : 700));
    await peer.echoes(TEXT, message);
  }
  await peer.finish();
}

/** A server keeps to what the offer asks: smaller windows and no context are binding, and parameters that were not offered may be left out. */
function boundBy(wanted: Wanted): (peer: Peer) => Promise<void> {
  return async (peer) => {
    const { agreed } = peer;
    must(agreed !== undefined, "nothing was agreed on");
    if (agreed === undefined) return;
    must(!wanted.serverNo || agreed.serverNoContextTakeover, "server_no_context_takeover was asked for");
    must(agreed.serverMaxWindowBits <= (wanted.serverBits ?? 15), "a smaller server window was asked for");
    if (wanted.clientBits === undefined)
      must(agreed.clientMaxWindowBits === 15, "the client cannot limit its window");
    if (typeof wanted.clientBits === "number")
      must(agreed.clientMaxWindowBits <= wanted.clientBits, "a larger client window than offered");
    await talk(peer);
  };
}

const offers: Case[] = combinations.map((wanted, i) => ({
  id: `13.1.${i + 1}`,
  title: `offer ${words(wanted)}`,
  needsCompression: true,
  subject: "server",
  // The borders are enough where time is short.
  isLong: ![wanted.serverBits, wanted.clientBits].every((bits) => BORDERS.includes(bits)),
  offer: words(wanted),
  run: boundBy(wanted),
}));

// What the client offers is `permessage-deflate; client_max_window_bits`: every answer of these is allowed.
const answers: Case[] = combinations
  .filter(({ clientBits }) => clientBits !== true)
  .map((wanted, i) => ({
    id: `13.2.${i + 1}`,
    title: `answer ${words(wanted)}`,
    needsCompression: true,
    subject: "client",
    // Each may need a process.
    isLong: !BORDERS.includes(wanted.serverBits) || wanted.clientBits !== wanted.serverBits,
    answer: () => words(wanted),
    run: talk,
  }));

const badOffers: readonly (readonly [offer: string, agrees: Partial<Agreed> | null])[] = [
  ["permessage-deflate; server_max_window_bits", null],
  ["permessage-deflate; server_max_window_bits=7", null],
  ["permessage-deflate; server_max_window_bits=16", null],
  ["permessage-deflate; client_max_window_bits=7", null],
  ["permessage-deflate; client_max_window_bits=16", null],
  ["permessage-deflate; client_max_window_bits=1000", null],
  ["permessage-deflate; client_max_window_bits=09", null],
  ["permessage-deflate; server_no_context_takeover=1", null],
  ["permessage-deflate; client_no_context_takeover=true", null],
  ["permessage-deflate; client_max_window_bits; client_max_window_bits=10", null],
  ["permessage-deflate; server_no_context_takeover; server_no_context_takeover", null],
  ["permessage-deflate; foo", null],
  ["permessage-deflate; constructor=1", null],
  ["permessage-bzip2", null],
  ["x-webkit-deflate-frame", null],
  ["permessage-deflate; server_max_window_bits=7, permessage-deflate", { serverMaxWindowBits: 15 }],
  ["foo, bar; baz=1, permessage-deflate; server_max_window_bits=10", { serverMaxWindowBits: 10 }],
  [
    "permessage-deflate; foo=bar, permessage-deflate; server_no_context_takeover",
    { serverNoContextTakeover: true },
  ],
  [
    'permessage-deflate; server_max_window_bits="11"; client_max_window_bits="12"',
    { serverMaxWindowBits: 11, clientMaxWindowBits: 12 },
  ],
  [
    "permessage-deflate; server_no_context_takeover; server_max_window_bits=9, permessage-deflate; server_no_context_takeover, permessage-deflate",
    { serverNoContextTakeover: true, serverMaxWindowBits: 9 },
  ],
  ["permessage-deflate ; client_max_window_bits = 10 ,permessage-deflate", { clientMaxWindowBits: 10 }],
];
const fallbacks: Case[] = badOffers.map(([offer, agrees], i) => ({
  id: `13.3.${i + 1}`,
  title: `${agrees === null ? "declines" : "falls back to what it can of"} ${offer}`,
  needsCompression: true,
  subject: "server",
  offer,
  agrees,
  run: agrees === null ? plainly : talk,
}));

async function plainly(peer: Peer): Promise<void> {
  const message = textOf(2000);
  await peer.write(peer.frame(TEXT, message));
  await peer.echoes(TEXT, message);
  await peer.finish();
}

const badAnswers = [
  "permessage-deflate; server_max_window_bits",
  "permessage-deflate; server_max_window_bits=7",
  "permessage-deflate; server_max_window_bits=16",
  "permessage-deflate; client_max_window_bits",
  "permessage-deflate; client_max_window_bits=0",
  "permessage-deflate; client_max_window_bits=16",
  "permessage-deflate; server_no_context_takeover=1",
  "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
  "permessage-deflate; foo",
  "permessage-deflate, permessage-deflate",
  "permessage-bzip2",
  "permessage-deflate, foo",
  "",
  ";",
  'permessage-deflate; server_max_window_bits="10',
];
const refusals: Case[] = badAnswers.map((answer, i) => ({
  id: `13.4.${i + 1}`,
  title: `the client refuses the answer ${JSON.stringify(answer)}`,
  needsCompression: true,
  subject: "client",
  mustRefuse: true,
  answer: () => answer,
  run: plainly,
}));
const unasked: Case[] = ["permessage-deflate", "foo"].map((answer, i) => ({
  id: `13.5.${i + 1}`,
  title: `the client, which offered nothing, refuses the answer ${answer}`,
  needsPlain: true,
  subject: "client",
  mustRefuse: true,
  answer: () => answer,
  run: plainly,
}));
const declined: Case[] = [
  {
    id: "13.6.1",
    title: "the server agrees to nothing: messages go as they are",
    needsCompression: true,
    subject: "client",
    answer: () => null,
    run: plainly,
  },
  {
    id: "13.6.2",
    title: "the client offers what RFC 7692 §7.1 knows",
    needsCompression: true,
    subject: "client",
    answer: (offered: readonly Offer[]) => {
      must(
        offered.length === 1 && offered[0]?.name === "permessage-deflate",
        "one offer of permessage-deflate",
      );
      return "permessage-deflate";
    },
    run: talk,
  },
  {
    id: "13.6.3",
    title: "a server without compression agrees to nothing",
    needsPlain: true,
    subject: "server",
    offer: "permessage-deflate; client_max_window_bits",
    agrees: null,
    run: plainly,
  },
];

/** Runs of 1,000 with each window, with and without context, for each subject by its own way to agree. */
const windows: Case[] = ALL_BITS.flatMap((bits) =>
  [false, true].flatMap((isFresh) => {
    const wanted = { serverNo: isFresh, clientNo: isFresh, serverBits: bits, clientBits: bits };
    const agreed = words(wanted);
    return rows(`13.${bits - 1}.${isFresh ? "fresh" : "kept"}`, isFresh ? "prose" : "json", agreed, [1000], {
      offer: agreed,
      answer: () => agreed,
    });
  }),
);

export const deflateCases: readonly Case[] = [
  ...data,
  ...formCases,
  ...offers,
  ...answers,
  ...fallbacks,
  ...refusals,
  ...unasked,
  ...declined,
  ...windows,
];
