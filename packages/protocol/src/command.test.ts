import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  decodeCommand,
  encodeCommand,
  LIMITS,
  ProtocolError,
  type Command,
  type ErrorCode,
} from "./index.ts";

function refusal(text: string): ProtocolError {
  try {
    decodeCommand(text);
  } catch (error) {
    assert.ok(error instanceof ProtocolError, `not a ProtocolError: ${String(error)}`);
    return error;
  }
  throw new assert.AssertionError({ message: `was accepted: ${text.slice(0, 80)}` });
}

const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,10}(:[A-Za-z0-9_.~@/-]{1,20}){0,3}$/);
const offset = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const info = fc.dictionary(fc.string({ maxLength: 8 }), fc.string({ maxLength: 20 }), {
  maxKeys: 3,
  noNullPrototype: true,
});
const withId = {
  id,
  session: fc.string({ maxLength: LIMITS.sessionLength }),
  guest: fc.boolean(),
  cookie: fc.string({ maxLength: 64 }),
};
const key = fc.string({ minLength: 1, maxLength: LIMITS.keyLength });
const optional: { requiredKeys: [] } = { requiredKeys: [] };

const command: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record(
      { ...withId, version: offset, token: fc.string(), info, answersPings: fc.boolean(), key },
      optional,
    )
    .map((fields) => ({ type: "connect" as const, ...fields })),
  fc
    .tuple(fc.string(), fc.record(withId, optional))
    .map(([token, fields]) => ({ type: "refresh" as const, token, ...fields })),
  fc
    .record(
      {
        ...withId,
        since: fc.record({ epoch: fc.string({ minLength: 1, maxLength: LIMITS.epochLength }), offset }),
        last: fc.nat({ max: LIMITS.publications }),
        presence: fc.boolean(),
        gather: fc.boolean(),
        hidden: fc.boolean(),
      },
      optional,
    )
    .chain((fields) => name.map((channel) => ({ type: "subscribe" as const, ...fields, channel }))),
  fc
    .record({ ...withId, key }, optional)
    .chain((fields) =>
      fc
        .tuple(name, fc.jsonValue({ maxDepth: 5 }))
        .map(([channel, data]) => ({ type: "publish" as const, ...fields, channel, data: data as null })),
    ),
  fc
    .record(
      { ...withId, before: fc.integer({ min: 1 }), limit: fc.integer({ min: 1, max: LIMITS.publications }) },
      optional,
    )
    .chain((fields) => name.map((channel) => ({ type: "history" as const, ...fields, channel }))),
  fc
    .record({ ...withId, after: offset, limit: fc.integer({ min: 1, max: LIMITS.users }) }, optional)
    .chain((fields) => name.map((channel) => ({ type: "presence" as const, ...fields, channel }))),
  fc
    .tuple(name, fc.record(withId, optional))
    .map(([channel, fields]) => ({ type: "unsubscribe" as const, channel, ...fields })),
  fc
    .tuple(fc.constantFrom("ping" as const, "pong" as const), fc.record(withId, optional))
    .map(([type, fields]) => ({ type, ...fields })),
);

describe("decodeCommand", () => {
  it("gives back every command that can be sent", () => {
    fc.assert(
      fc.property(command, (sent) => {
        const received = decodeCommand(encodeCommand(sent));
        assert.deepEqual(JSON.parse(encodeCommand(received)), JSON.parse(encodeCommand(sent)));
      }),
    );
  });

  it("reads a call with an input that is JSON, bytes or none, and what cancels it", () => {
    const json = '{"n":1688888483063664642}';
    for (const [text, expected] of [
      [`"data":\r\n${json}`, { data: JSON.parse(json) as unknown, json }],
      ['"bytes":"AP8="', { data: new Uint8Array([0, 255]), json: "" }],
      ['"data":null,"key":7', { data: null, json: "null" }],
      ['"x":1', {}],
    ] as const) {
      const command = decodeCommand(`{"type":"call","id":7,"method":"shop.buy","deadlineMs":5,${text}}`);
      assert.deepEqual(
        { ...command },
        { type: "call", id: 7, method: "shop.buy", deadlineMs: 5, ...expected },
      );
      assert.deepEqual({ ...decodeCommand(encodeCommand(command)) }, { ...command });
    }
    const cancel = { type: "cancel", call: 7 } as const;
    assert.deepEqual(decodeCommand(encodeCommand(cancel)), cancel);
  });

  for (const [what, text] of [
    ["a call without id", '{"type":"call","method":"a"}'],
    ["a call of no method", '{"type":"call","id":1}'],
    ["a call of what is no name", '{"type":"call","id":1,"method":"a b"}'],
    ["a call of an empty name", '{"type":"call","id":1,"method":""}'],
    ["a call of a name one too long", `{"type":"call","id":1,"method":"${"m".repeat(129)}"}`],
    ["a call with no time", '{"type":"call","id":1,"method":"a","deadlineMs":0}'],
    ["a call with data and bytes", '{"type":"call","id":1,"method":"a","data":1,"bytes":"AA=="}'],
    [
      "a call nested too deep",
      `{"type":"call","id":1,"method":"a","data":${"[".repeat(65)}${"]".repeat(65)}}`,
    ],
    ["a cancel of nothing", '{"type":"cancel"}'],
    ["a cancel of no id", '{"type":"cancel","call":0}'],
  ] as const) {
    it(`refuses ${what}`, () =>
      assert.throws(() => decodeCommand(text), { name: "ProtocolError", code: "bad_command" }));
  }

  it("takes any name of a method, __proto__ too, up to its longest", () => {
    for (const method of ["__proto__", "constructor", "a/b:c@d~e.f", "m".repeat(128)]) {
      const command = decodeCommand(`{"type":"call","id":1,"method":"${method}"}`);
      assert.equal(command.type === "call" && command.method, method);
    }
  });

  it("keeps the text of what is published", () => {
    const texts = [
      "1688888483063664642",
      "1e400",
      "-0",
      "1.0",
      '{"a":1,"a":2}',
      '{"b":1,"2":1,"1":2}',
      '"\\ud800"',
    ];
    for (const json of texts) {
      const command = decodeCommand(`{"type":"publish","channel":"a","data" : ${json} ,"key":"k"}`);
      assert.ok(command.type === "publish" && command.json === json, JSON.stringify(command));
      assert.deepEqual(decodeCommand(encodeCommand(command)), command);
    }
  });

  it("keeps the text of what a user is shown with", () => {
    const infoJson = '{"id":1688888483063664642,"name":"Ana","name":"Bea"}';
    const command = decodeCommand(`{"type":"connect","info":${infoJson}}`);
    assert.ok(command.type === "connect" && command.infoJson === infoJson, JSON.stringify(command));
    assert.deepEqual(decodeCommand(encodeCommand(command)), command);
  });

  it("has half a surrogate pair as it came, also beside line breaks, and far into a text", () => {
    for (const far of [0, 8_190, 8_191, 8_192, 20_000]) {
      const data = (space: string) => `[${" ".repeat(far)}"\ud800",${space}"\u{1f600}\udc00"]`;
      const command = decodeCommand(`{"type":"publish","channel":"a","data":${data("\r\n")}}`);
      assert.ok(command.type === "publish" && command.json === data("  "), `${far}`);
    }
  });

  it("has spaces for CR and LF between values, and leaves those in strings", () => {
    const command = decodeCommand('{"type":"publish","channel":"a","data":\r\n[1,\r\n\n"\\r\\n"\r]\n}');
    assert.equal(command.type === "publish" && command.json, '[1,   "\\r\\n" ]');
  });

  it("takes the last of several members, as JSON.parse does", () => {
    const command = decodeCommand(
      '{"type":"publish","data":"x","channel":"a","d\\u0061ta":-0,"id":1,"id":2}',
    );
    assert.ok(command.type === "publish");
    assert.equal(command.json, "-0");
    assert.equal(command.id, 2);
  });

  it("answers any text with a command or a ProtocolError", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          decodeCommand(text);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("ignores fields of later versions", () => {
    assert.deepEqual(decodeCommand('{"type":"ping","id":3,"colour":"red","__proto__":{"x":1}}'), {
      type: "ping",
      id: 3,
    });
  });

  const channel = '"channel":"plaza:general"';
  const refused: readonly (readonly [what: string, text: string, code: ErrorCode, mentions: string])[] = [
    ["an empty text", "", "bad_json", '""'],
    ["not JSON", "hello", "bad_json", "hello"],
    ["an array", "[1]", "bad_json", "[1]"],
    ["null", "null", "bad_json", "null"],
    ["no type", "{}", "bad_command", '"type"'],
    ["a numeric type", '{"type":7}', "bad_command", '"type"'],
    ["an unknown type", '{"type":"dance"}', "unknown_command", "dance"],
    ["a type every object has", '{"type":"constructor"}', "unknown_command", "constructor"],
    ["id zero", '{"type":"ping","id":0}', "bad_command", '"id"'],
    ["id as text", '{"type":"ping","id":"1"}', "bad_command", '"id"'],
    ["id past 2^53", '{"type":"ping","id":9007199254740992}', "bad_command", '"id"'],
    ["no channel", '{"type":"subscribe"}', "bad_command", '"channel"'],
    ["an empty channel", '{"type":"subscribe","channel":""}', "bad_command", '"channel"'],
    ["a channel with a quote", '{"type":"subscribe","channel":"a:\\""}', "bad_command", '"channel"'],
    ["a channel that ends in a colon", '{"type":"subscribe","channel":"a:"}', "bad_command", '"channel"'],
    ["since as a number", `{"type":"subscribe",${channel},"since":4}`, "bad_command", '"since"'],
    [
      "since without epoch",
      `{"type":"subscribe",${channel},"since":{"offset":4}}`,
      "bad_command",
      "since.epoch",
    ],
    [
      "a negative offset",
      `{"type":"subscribe",${channel},"since":{"epoch":"e","offset":-1}}`,
      "bad_command",
      "since.offset",
    ],
    [
      "a fractional offset",
      `{"type":"subscribe",${channel},"since":{"epoch":"e","offset":1.5}}`,
      "bad_command",
      "since.offset",
    ],
    ["last past its limit", `{"type":"subscribe",${channel},"last":1001}`, "bad_command", '"last"'],
    ["hidden as a number", `{"type":"subscribe",${channel},"hidden":1}`, "bad_command", '"hidden"'],
    ["presence as text", `{"type":"subscribe",${channel},"presence":"yes"}`, "bad_command", '"presence"'],
    ["publish without data", `{"type":"publish",${channel}}`, "bad_command", '"data"'],
    ["an empty key", `{"type":"publish",${channel},"data":1,"key":""}`, "bad_command", '"key"'],
    ["info as an array", '{"type":"connect","info":[]}', "bad_command", '"info"'],
    ["a history page of none", `{"type":"history",${channel},"limit":0}`, "bad_command", '"limit"'],
  ];
  for (const [what, text, code, mentions] of refused) {
    it(`refuses ${what} with ${code}`, () => {
      const error = refusal(text);
      assert.equal(error.code, code);
      assert.ok(error.message.includes(mentions), error.message);
    });
  }

  it("names the command's id in a complaint about another field", () => {
    assert.equal(refusal('{"type":"subscribe","id":12}').id, 12);
    assert.equal(refusal('{"type":"dance","id":13}').id, 13);
  });

  it("shows at most the start of what was sent", () => {
    assert.ok(refusal("x".repeat(60_000)).message.length < 100);
  });

  it("takes limits exactly, and refuses one past them", () => {
    const longest = `a:${"b".repeat(LIMITS.channelLength - 2)}`;
    assert.equal(decodeCommand(`{"type":"presence","channel":"${longest}"}`).type, "presence");
    assert.equal(refusal(`{"type":"presence","channel":"${longest}b"}`).code, "bad_command");

    const key = "k".repeat(LIMITS.keyLength);
    assert.equal(decodeCommand(`{"type":"publish",${channel},"data":0,"key":"${key}"}`).type, "publish");
    assert.equal(refusal(`{"type":"publish",${channel},"data":0,"key":"${key}k"}`).code, "bad_command");

    const token = "t".repeat(LIMITS.tokenLength);
    assert.equal(decodeCommand(`{"type":"connect","token":"${token}"}`).type, "connect");
    assert.equal(refusal(`{"type":"connect","token":"${token}t"}`).code, "bad_command");
    assert.equal(decodeCommand(`{"type":"refresh","token":"${token}"}`).type, "refresh");
    for (const wrong of [`,"token":"${token}t"`, "", ',"token":7', ',"token":null', ',"token":["a"]'])
      assert.equal(refusal(`{"type":"refresh","id":7${wrong}}`).code, "bad_command");

    const filler = "i".repeat(LIMITS.infoLength - '{"n":""}'.length);
    assert.equal(decodeCommand(`{"type":"connect","info":{"n":"${filler}"}}`).type, "connect");
    assert.equal(refusal(`{"type":"connect","info":{"n":"${filler}i"}}`).code, "too_large");
    // As it came: space counts.
    assert.equal(refusal(`{"type":"connect","info":{"n" :"${filler}"}}`).code, "too_large");

    const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    assert.equal(decodeCommand(`{"type":"publish",${channel},"data":${deep(LIMITS.depth)}}`).type, "publish");
    assert.equal(
      refusal(`{"type":"publish",${channel},"data":${deep(LIMITS.depth + 1)}}`).code,
      "bad_command",
    );
    assert.equal(refusal(`{"type":"publish",${channel},"data":${deep(30_000)}}`).code, "bad_command");
    // Whoever reads the text meets the first member, too.
    const hidden = `{"a":${deep(LIMITS.depth)},"a":1}`;
    assert.equal(refusal(`{"type":"publish",${channel},"data":${hidden}}`).code, "bad_command");
    assert.equal(refusal(`{"type":"connect","info":${hidden}}`).code, "bad_command");

    const padded = '{"type":"ping"}'.padEnd(LIMITS.commandBytes);
    assert.equal(decodeCommand(padded).type, "ping");
    assert.equal(refusal(`${padded} `).code, "too_large");
  });
});
