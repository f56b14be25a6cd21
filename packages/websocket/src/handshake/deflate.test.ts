import assert from "node:assert/strict";
import { test } from "node:test";
import {
  acceptDeflate,
  type CompressionOptions,
  compressionSettings,
  offerDeflate,
  readAcceptedDeflate,
} from "./deflate.ts";
import { parseExtensions } from "./extensions.ts";

function settings(options: CompressionOptions = {}) {
  const complete = compressionSettings(options);
  if (complete === undefined) throw new Error("no compression");
  return complete;
}

function answerTo(offer: string, options: CompressionOptions = {}): string | undefined {
  return acceptDeflate(parseExtensions([offer]) ?? [], settings(options))?.header;
}

test("extension headers are parsed, or refused as malformed", () => {
  assert.deepEqual(parseExtensions(['a, b; c; d=1; e="f\\g"']), [
    { name: "a", parameters: [] },
    {
      name: "b",
      parameters: [
        ["c", true],
        ["d", "1"],
        ["e", "fg"],
      ],
    },
  ]);
  assert.deepEqual(parseExtensions(["__proto__; constructor=__proto__"]), [
    { name: "__proto__", parameters: [["constructor", "__proto__"]] },
  ]);
  const malformed = [
    'a; b="',
    'a; b="c',
    '"',
    ";",
    ",",
    "a,",
    "a;",
    "a; =1",
    "a; b=",
    "a b",
    "a; b=c d",
    'a; b="c d"',
    "ñ",
    'a; b="\\',
  ];
  for (const text of malformed) assert.equal(parseExtensions([text]), undefined, text);
});

test("long nonsense is refused in linear time", () => {
  for (const piece of ["\\", '"', " ,", "a;", 'a="\\"']) {
    assert.equal(parseExtensions([piece.repeat(50_001)]), undefined);
  }
});

test("33 extensions are too many, 32 are not", () => {
  const many = (count: number): string => Array.from({ length: count }, () => "a").join();
  assert.equal(parseExtensions([many(32)])?.length, 32);
  assert.equal(parseExtensions([many(33)]), undefined);
});

const noTakeover = "server_no_context_takeover; client_no_context_takeover";

test("a server answers offers as RFC 7692 says", () => {
  const name = "permessage-deflate";
  const takeover = { contextTakeover: true };
  assert.equal(answerTo(name), `${name}; ${noTakeover}`);
  assert.equal(answerTo(name, takeover), name);
  assert.equal(
    answerTo(`${name}; server_no_context_takeover`, takeover),
    `${name}; server_no_context_takeover`,
  );
  assert.equal(
    answerTo(`${name}; client_no_context_takeover`, takeover),
    `${name}; client_no_context_takeover`,
  );
  for (let bits = 8; bits <= 15; bits++) {
    const asked = `${name}; server_max_window_bits=${bits}`;
    assert.equal(answerTo(asked, takeover), asked);
    assert.equal(
      answerTo(`${name}; client_max_window_bits=${bits}`, takeover),
      bits === 15 ? name : `${name}; client_max_window_bits=${bits}`,
    );
  }
  const narrow = { contextTakeover: true, clientMaxWindowBits: 10, serverMaxWindowBits: 11 };
  // A client that did not say it can limit its window is not told to.
  assert.equal(answerTo(name, narrow), `${name}; server_max_window_bits=11`);
  assert.equal(
    answerTo(`${name}; client_max_window_bits; server_max_window_bits=9`, narrow),
    `${name}; server_max_window_bits=9; client_max_window_bits=10`,
  );
  assert.equal(
    answerTo(`x, ${name}; y, ${name}; client_max_window_bits=9`, takeover),
    `${name}; client_max_window_bits=9`,
  );
});

test("offers with wrong, unknown or repeated parameters are declined", () => {
  const wrong = [
    "x",
    "constructor",
    "__proto__=1",
    "server_no_context_takeover=1",
    "client_no_context_takeover=true",
    "server_no_context_takeover; server_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits; client_max_window_bits",
    ...["7", "16", "1000", "08", "+9", "9.0", "0x9"].flatMap((bits) => [
      `server_max_window_bits=${bits}`,
      `client_max_window_bits=${bits}`,
    ]),
  ];
  for (const parameters of wrong)
    assert.equal(answerTo(`permessage-deflate; ${parameters}`), undefined, parameters);
});

test("a client judges the answer", () => {
  const mine = settings();
  const strict = settings({ serverMaxWindowBits: 10 });
  const good = readAcceptedDeflate([`permessage-deflate; ${noTakeover}; server_max_window_bits=9`], mine);
  assert.deepEqual(good, {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 9,
    clientMaxWindowBits: 15,
  });
  assert.equal(readAcceptedDeflate([], mine), undefined);
  const bad: [string, typeof mine | undefined][] = [
    [`permessage-deflate; ${noTakeover}`, undefined],
    ["permessage-deflate", mine],
    [`permessage-deflate; ${noTakeover}; x`, mine],
    [`permessage-deflate; ${noTakeover}, permessage-deflate; ${noTakeover}`, mine],
    [`permessage-deflate; ${noTakeover}; client_max_window_bits`, mine],
    [`permessage-deflate; ${noTakeover}; server_max_window_bits=11`, strict],
    [`permessage-deflate; ${noTakeover}`, strict],
    ["x", mine],
    ['permessage-deflate; "', mine],
  ];
  for (const [answer, offered] of bad) {
    const outcome = readAcceptedDeflate([answer], offered);
    assert.ok(outcome !== undefined && "fault" in outcome, answer);
  }
});

test("what a client offers a server accepts, and the client accepts the answer", () => {
  for (const contextTakeover of [false, true]) {
    for (const serverMaxWindowBits of [8, 12, 15]) {
      for (const clientMaxWindowBits of [8, 12, 15]) {
        const mine = settings({ contextTakeover, serverMaxWindowBits, clientMaxWindowBits });
        const accepted = acceptDeflate(parseExtensions([offerDeflate(mine)]) ?? [], settings());
        if (accepted === undefined) throw new Error("declined");
        assert.deepEqual(readAcceptedDeflate([accepted.header], mine), accepted.parameters);
      }
    }
  }
});

test("options are checked", () => {
  assert.equal(compressionSettings(undefined), undefined);
  assert.equal(compressionSettings(false), undefined);
  assert.throws(() => compressionSettings({ level: 10 }), /level 10 is not a whole number from 1 to 9/);
  assert.throws(() => compressionSettings({ serverMaxWindowBits: 7 }), { code: "invalid_argument" });
});
