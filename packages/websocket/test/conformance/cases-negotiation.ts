// Section 13: what both sides agree on (RFC 7692 §7.1), and that they keep to it.
import { type Case, must } from "./case.ts";
import type { Agreed, Offer } from "./deflate.ts";
import { rows } from "./many-messages.ts";
import { messageOf, textOf } from "./payload.ts";
import type { Peer } from "./peer.ts";
import { TEXT } from "./wire.ts";

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

/**
 * A server keeps to what the offer asks: smaller windows and no context are binding, and parameters that were
 * not offered may be left out.
 */
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

export const negotiationCases: readonly Case[] = [
  ...offers,
  ...answers,
  ...fallbacks,
  ...refusals,
  ...unasked,
  ...declined,
  ...windows,
];
