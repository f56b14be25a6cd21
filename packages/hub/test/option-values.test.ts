// Every option of a hub, its limits and namespaces, and of both engines is given what people give by mistake:
// it is refused by a NetError, or is one of the few values that are legal after all.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { type IsLegal, LEGAL, oddValuesTaken } from "@zocalo/integrity";
import { defaultHubLimits, durable, Hub, MemoryEngine, type MemoryEngineOptions } from "../src/index.ts";
import { jwt, type JwtOptions } from "../src/jwt.ts";
import { temporaryDirectory } from "./durable-store.ts";

const { whole, nothing } = LEGAL;
const wholeFrom0: IsLegal = (value) => value === 0 || whole(value);

const hub = {
  namespaces: LEGAL.object,
  engine: nothing,
  authenticate: LEGAL.function,
  limits: LEGAL.object,
  exemptAddresses: LEGAL.list,
  hostOf: LEGAL.function,
  server: LEGAL.text,
  clock: nothing,
  random: LEGAL.function,
  onError: LEGAL.function,
} satisfies Record<string, IsLegal>;
const limits = Object.fromEntries(Object.keys(defaultHubLimits).map((name) => [name, whole]));
const namespace = {
  history: LEGAL.object,
  presence: LEGAL.boolean,
  subscribe: LEGAL.function,
  publish: LEGAL.function,
  cast: LEGAL.function,
  senders: LEGAL.boolean,
  data: nothing,
  maxDataLength: (value) => whole(value) && Number(value) <= 1_048_576,
  keyMs: wholeFrom0,
} satisfies Record<string, IsLegal>;
const history = { publications: wholeFrom0, bytes: wholeFrom0, ttlMs: whole };
const memory = {
  maxChannels: whole,
  maxChannelsPerAddress: whole,
  maxKeysPerChannel: whole,
  maxBytes: (value) => whole(value) && Number(value) <= 2 ** 38,
  maxBytesPerAddress: whole,
  sweepMs: whole,
  clock: nothing,
  random: LEGAL.function,
} satisfies Record<string, IsLegal>;
const onDisk = {
  durability: nothing,
  maxBytes: (value) => value === 2 ** 40,
  maxChannels: whole,
  maxKeysPerChannel: whole,
  maxWaitingBytes: (value) => value === 2 ** 40,
  tidyMs: (value) => whole(value) && Number(value) < 2 ** 31,
  onNotice: LEGAL.function,
  clock: nothing,
} satisfies Record<string, IsLegal>;

const publishing = {
  user: LEGAL.text,
  info: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  key: LEGAL.text,
} satisfies Record<string, IsLegal>;

const makeHub = (options: object): Promise<void> => new Hub({ namespaces: {}, ...options }).close();
async function publish(options: object): Promise<void> {
  const hub = new Hub({ namespaces: { plaza: {} } });
  try {
    await hub.publish("plaza:a", 1, options);
  } finally {
    await hub.close();
  }
}
async function ofTheMoment(say: (hub: Hub) => void): Promise<void> {
  const hub = new Hub({ namespaces: { plaza: {} } });
  try {
    say(hub);
  } finally {
    await hub.close();
  }
}
const cast = (options: object): Promise<void> => ofTheMoment((hub) => hub.cast("plaza:a", 1, options));
const send = (options: object): Promise<void> =>
  ofTheMoment((hub) => hub.send({ user: "ana" }, "plaza", 1, options));
const makeMemory = (options: object): Promise<void> => new MemoryEngine(options).close();

const secret = "0123456789abcdef0123456789abcdef";
const isName: IsLegal = (value) => typeof value === "string" && value !== "";
const tokens = {
  keys: nothing,
  issuer: isName,
  audience: isName,
  acceptAnyAudienceDangerously: (value) => value === false,
  acceptTokensWithoutExpiryDangerously: LEGAL.boolean,
  clockToleranceMs: (value) => wholeFrom0(value) && Number(value) <= 600_000,
  claims: LEGAL.object,
  tokenFrom: nothing,
  guests: LEGAL.function,
  onRefuse: LEGAL.function,
  clock: nothing,
} satisfies Record<keyof JwtOptions, IsLegal>;
const keySet = { jwks: isName, timeoutMs: whole, maxAgeMs: whole, cooldownMs: whole } satisfies Record<
  string,
  IsLegal
>;
const makeJwt = (options: object) => jwt({ keys: { secret }, audience: "chat", ...options });

const table: readonly [string, Readonly<Record<string, IsLegal>>, (options: object) => unknown][] = [
  ["Hub", hub, makeHub],
  ["limits of a hub", limits, (given) => makeHub({ limits: given })],
  ["a namespace", namespace, (plaza) => makeHub({ namespaces: { plaza } })],
  ["history", history, (given) => makeHub({ namespaces: { plaza: { history: given } } })],
  ["publish", publishing, publish],
  ["cast", { user: LEGAL.text, key: LEGAL.text }, cast],
  // A key alone is refused, whatever it is.
  ["send", { volatile: LEGAL.boolean, key: nothing }, send],
  ["MemoryEngine", memory, makeMemory],
  ["jwt", tokens, makeJwt],
  ["a set of keys", keySet, (given) => makeJwt({ keys: { jwks: "keys.json", ...given } })],
  ["a secret", { secret: nothing }, (given) => makeJwt({ keys: { secret, ...given } })],
  ["a public key", { publicKey: nothing }, (given) => makeJwt({ keys: { publicKey: "", ...given } })],
  ["claims", { user: LEGAL.text, info: LEGAL.text }, (claims) => makeJwt({ claims })],
  ["durable", onDisk, async (options) => (await durable(join(temporaryDirectory(), "d"), options)).close()],
];
for (const [name, legal, call] of table) {
  test(`${name} takes no odd value as any of its options`, async () => {
    assert.deepEqual(await oddValuesTaken(call, legal), []);
  });
}

test("what is given instead of options is refused", () => {
  for (const odd of [null, 5, "plaza", [], new Map([["plaza", {}]])]) {
    const given = odd as never;
    const calls: readonly (() => unknown)[] = [
      () => new Hub(given),
      () => new Hub({ namespaces: given }),
      () => new Hub({ namespaces: { plaza: given } }),
      () => new MemoryEngine(given),
    ];
    for (const call of calls) assert.throws(call, { name: "NetError", code: "invalid_argument" });
  }
  assert.throws(() => new Hub(undefined as never), { code: "invalid_argument" });
});

test("a promise of an engine is none", () => {
  const engine = Promise.resolve(new MemoryEngine()) as never;
  assert.throws(() => new Hub({ namespaces: {}, engine }), /a promise, which is not an engine: await it/);
});

test("a clock and a permission say what they lack", () => {
  const clock = { wall: () => 0, uptime: () => 0 } as never;
  assert.throws(() => new Hub({ namespaces: {}, clock }), /clock\.after is null, and not a function/);
  const plaza = { subscribe: "everyone" } as never;
  assert.throws(
    () => new Hub({ namespaces: { plaza } }),
    /namespaces\.plaza\.subscribe "everyone" is not one of "nobody", "users", "anyone", and no function/,
  );
});

test("a memory engine may have 256 GiB, and no byte more", async () => {
  const maxBytes: MemoryEngineOptions["maxBytes"] = 256 * 1024 ** 3;
  await makeMemory({ maxBytes });
  assert.throws(() => new MemoryEngine({ maxBytes: maxBytes + 1 }), /maxBytes 274877906945 is not a whole/);
});
