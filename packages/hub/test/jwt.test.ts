import assert from "node:assert/strict";
import { constants, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import type { Peer } from "@zocalo/net";
import { build } from "esbuild";
import { guests, Hub } from "../src/index.ts";
import { jwt, type JwtOptions, type JwtRefusal } from "../src/jwt.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeConn } from "./fake-conn.ts";
import { hmac, jwk, pairs, pem, signature, token } from "./jwt-tokens.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const clock = new FakeClock();
const now = Math.floor(clock.wall() / 1_000);
const CLAIMS = { sub: "ana", aud: "chat", exp: now + 60 };
const HS256 = { alg: "HS256", typ: "JWT" };
const RS256 = { alg: "RS256" };
const peer: Peer = { transport: "pipe", addr: { network: "pipe", toString: () => "pipe" } };
const secret = { keys: { secret: SECRET }, audience: "chat", clock } satisfies JwtOptions;
const rsa = { ...secret, keys: { publicKey: pem(pairs.rsa) } } satisfies JwtOptions;

const good = (claims: object = {}, header: object = HS256): string =>
  token(header, { ...CLAIMS, ...claims }, hmac(SECRET));

/** What is made of a token, or why it is refused. */
async function judged(options: JwtOptions, given: string | undefined, from: Peer = peer) {
  let refusal: JwtRefusal | undefined;
  const authenticate = jwt({ ...options, onRefuse: (told) => (refusal = told) });
  const identity = await authenticate({ token: given }, from);
  return refusal?.reason ?? identity;
}

test("a good token gives user, info and end, the tolerance included; nobody of them is a guest", async () => {
  const expiresAt = CLAIMS.exp * 1_000 + 5_000;
  assert.deepEqual(await judged(secret, good()), { user: "ana", isGuest: false, info: undefined, expiresAt });
  const info = { name: "Ana" };
  assert.deepEqual(await judged(secret, good({ info })), { user: "ana", isGuest: false, info, expiresAt });
});

test("each kind of key takes its algorithms", async () => {
  const { RSA_PKCS1_PSS_PADDING: pss } = constants;
  for (const [pair, alg, signed] of [
    ["rsa", "RS256", (key: KeyObject) => signature(key)],
    ["rsa", "RS512", (key: KeyObject) => signature(key, "sha512")],
    ["rsa", "PS256", (key: KeyObject) => signature(key, "sha256", pss)],
    ["p256", "ES256", (key: KeyObject) => signature(key)],
    ["p384", "ES384", (key: KeyObject) => signature(key, "sha384")],
    ["p521", "ES512", (key: KeyObject) => signature(key, "sha512")],
    ["ed25519", "EdDSA", (key: KeyObject) => signature(key, null)],
  ] as const) {
    for (const publicKey of [pem(pairs[pair]), jwk(pairs[pair]), jwk(pairs[pair], { alg, kid: "k" })]) {
      const given = token({ alg }, CLAIMS, signed(pairs[pair].privateKey));
      const result = await judged({ ...secret, keys: { publicKey } }, given);
      assert.equal(typeof result === "object" && result?.user, "ana", alg);
    }
  }
  const long = "s".repeat(64);
  for (const [alg, hash] of [
    ["HS256", "sha256"],
    ["HS384", "sha384"],
    ["HS512", "sha512"],
  ] as const) {
    const given = token({ alg }, CLAIMS, hmac(long, hash));
    assert.equal(typeof (await judged({ ...secret, keys: { secret: long } }, given)), "object", alg);
  }
});

const signed = signature(pairs.rsa.privateKey);
const unsigned = (): string => "";
const changed = good({ sub: "eve" }).split(".")[1] ?? "";

/** Attempts, and why each is refused. */
const ATTEMPTS: readonly (readonly [string, string, string | undefined, Partial<JwtOptions>?])[] = [
  ["nothing", "no_token", undefined],
  ["an empty one", "no_token", ""],
  ["words", "malformed", "let me in"],
  ["three empty parts", "malformed", ".."],
  ["no JSON", "malformed", "e30x.e30.AAAA"],
  ["an array for a header", "malformed", token([], CLAIMS, hmac(SECRET))],
  ["five parts, as one that is encrypted has", "malformed", `${good()}.a.b`],
  ["claims that are no object", "malformed", token(HS256, '"ana"', hmac(SECRET))],
  ["8,193 characters", "malformed", good({ pad: "x".repeat(8_193) })],
  ["another secret's signature", "bad_signature", token(HS256, CLAIMS, hmac(`${SECRET}!`))],
  ["claims that were changed", "bad_signature", good().replace(/\.[^.]+\./, `.${changed}.`)],
  ["no signature", "bad_signature", good().replace(/[^.]+$/, "")],
  ["alg none", "algorithm_not_allowed", token({ alg: "none" }, CLAIMS, unsigned)],
  ["alg None", "algorithm_not_allowed", token({ alg: "None" }, CLAIMS, unsigned)],
  ["alg none, to who has RSA", "algorithm_not_allowed", token({ alg: "none" }, CLAIMS, unsigned), rsa],
  ["no alg", "malformed", token({}, CLAIMS, unsigned)],
  ["a list for alg", "malformed", token({ alg: ["HS256"] }, CLAIMS, hmac(SECRET))],
  [
    "HS512, for which the secret is too short",
    "algorithm_not_allowed",
    token({ alg: "HS512" }, CLAIMS, hmac(SECRET, "sha512")),
  ],
  ["the RSA key as HMAC secret", "algorithm_not_allowed", token(HS256, CLAIMS, hmac(pem(pairs.rsa))), rsa],
  ["another RSA key", "bad_signature", token(RS256, CLAIMS, signature(pairs.other.privateKey)), rsa],
  [
    "a key of its own in the header",
    "bad_signature",
    token({ ...RS256, jwk: jwk(pairs.other) }, CLAIMS, signature(pairs.other.privateKey)),
    rsa,
  ],
  ["RSA for who has a secret", "algorithm_not_allowed", token(RS256, CLAIMS, signed)],
  ["expired, beyond the tolerance", "expired", good({ exp: now - 6 })],
  ["without exp", "no_expiry", good({ exp: undefined })],
  ["exp as a text", "bad_claims", good({ exp: "tomorrow" })],
  ["exp in ages", "bad_claims", good({ exp: 1e300 })],
  [
    "exp beyond numbers",
    "bad_claims",
    token(HS256, JSON.stringify(CLAIMS).replace(/"exp":\d+/, '"exp":1e400'), hmac(SECRET)),
  ],
  ["not valid yet, beyond the tolerance", "not_yet_valid", good({ nbf: now + 7 })],
  ["nbf as a text", "bad_claims", good({ nbf: "now" })],
  ["another audience", "wrong_audience", good({ aud: "shop" })],
  ["the audience as a part of one", "wrong_audience", good({ aud: "chatter" })],
  ["no audience", "wrong_audience", good({ aud: undefined })],
  ["another issuer", "wrong_issuer", good({ iss: "https://eve.example" }), { issuer: "https://id.example" }],
  ["no issuer", "wrong_issuer", good(), { issuer: "https://id.example" }],
  ["crit", "unsupported", good({}, { ...HS256, crit: ["b64x"], b64x: true })],
  ["crit of what is there not", "unsupported", good({}, { ...HS256, crit: ["exp"] })],
  ["no user", "bad_claims", good({ sub: undefined })],
  ["a number for a user", "bad_claims", good({ sub: 7 })],
  ["an empty user", "bad_claims", good({ sub: "" })],
  ["a user of 129 characters", "bad_claims", good({ sub: "u".repeat(129) })],
  ["the name of the hub itself for a user", "bad_claims", good({ sub: "server" })],
  ["the name of a guest for a user", "bad_claims", good({ sub: "guest-Zm9vYmFyYmF6" })],
  ["half a character in a user", "bad_claims", good({ sub: "ana\ud800" })],
  ["a text for info", "bad_claims", good({ info: "Ana" })],
];

for (const [what, reason, given, options] of ATTEMPTS) {
  test(`refused as ${reason}: ${what}`, async () => {
    assert.equal(await judged({ ...secret, ...options }, given), reason);
  });
}

test("at each client the refusal is unauthorized and 4401, and nothing of a token is in a log", async () => {
  for (const [what, reason, given, options] of ATTEMPTS) {
    if (given === undefined || given.length > 8_192) continue;
    const log: unknown[] = [];
    const authenticate = jwt({ ...secret, ...options, onRefuse: (told) => log.push(told) });
    const hub = new Hub({ namespaces: {}, authenticate, clock, onError: (error) => log.push(error) });
    const conn = new FakeConn();
    hub.accept(conn);
    const answer = await conn.ask({ type: "connect", token: given });
    assert.equal(answer.type === "error" && answer.code, "unauthorized", what);
    assert.equal((await conn.untilClosed()).code, 4401, what);
    assert.deepEqual(
      log.map((told) => (told as JwtRefusal).reason),
      [reason],
      what,
    );
    const text = inspect([log, conn.texts], { depth: 10, showHidden: true });
    for (const part of [...given.split("."), SECRET])
      assert.ok(part.length < 5 || !text.includes(part), what);
  }
});

test("the tolerance is for both ends, and the limits of a token's user and length are theirs", async () => {
  assert.equal(typeof (await judged(secret, good({ exp: now - 4 }))), "object");
  assert.equal(typeof (await judged(secret, good({ nbf: now + 5 }))), "object");
  assert.equal(await judged({ ...secret, clockToleranceMs: 0 }, good({ exp: now })), "expired");
  assert.equal(typeof (await judged(secret, good({ sub: "u".repeat(128) }))), "object");
  const pad = 8_192 - good({ pad: "" }).length;
  const longest = good({ pad: "x".repeat(Math.floor((pad * 3) / 4)) });
  assert.ok(longest.length > 8_188 && longest.length <= 8_192);
  assert.equal(typeof (await judged(secret, longest)), "object");
});

test("issuer and audience may be several, and the claims others", async () => {
  const options = {
    ...secret,
    issuer: ["a", "b"],
    audience: ["shop", "chat"],
    claims: { user: "name", info: "shown" },
  };
  const given = good({ iss: "b", aud: ["x", "chat"], name: "Ana", shown: { a: 1 } });
  const identity = await judged(options, given);
  assert.ok(typeof identity === "object" && identity !== null);
  assert.deepEqual([identity.user, identity.info], ["Ana", { a: 1 }]);
});

test("what is dangerous is taken only where it is said so", async () => {
  const { audience: _, ...any } = secret;
  const anyAudience = await judged({ ...any, acceptAnyAudienceDangerously: true }, good({ aud: "shop" }));
  assert.equal(typeof anyAudience, "object");
  const lasting = await judged(
    { ...secret, acceptTokensWithoutExpiryDangerously: true },
    good({ exp: undefined }),
  );
  assert.ok(typeof lasting === "object" && lasting?.user === "ana" && lasting.expiresAt === undefined);
});

test("two secrets count while one is changed for the other", async () => {
  const keys = [{ secret: "n".repeat(32) }, { secret: SECRET }];
  assert.equal(typeof (await judged({ ...secret, keys }, good())), "object");
  assert.equal(await judged({ ...secret, keys: keys[0] ?? [] }, good()), "bad_signature");
});

test("each of eight secrets and of eight public keys counts, where a token does not say which", async () => {
  const secrets = Array.from({ length: 7 }, (_, n) => ({ secret: String(n).repeat(32) }));
  const inLastPlace = { ...secret, keys: [...secrets, { secret: SECRET }] };
  assert.equal(typeof (await judged(inLastPlace, good())), "object");
  const others = Array.from({ length: 7 }, () => ({ publicKey: pem(pairs.other) }));
  const keys = [...others, { publicKey: pem(pairs.rsa) }];
  assert.equal(typeof (await judged({ ...secret, keys }, token(RS256, CLAIMS, signed))), "object");
});

test("of several public keys the one is asked that a token names", async () => {
  const keys = [
    { publicKey: jwk(pairs.other, { kid: "old" }) },
    { publicKey: jwk(pairs.rsa, { kid: "new" }) },
  ];
  const named = (kid: string) => token({ ...RS256, kid }, CLAIMS, signed);
  assert.equal(typeof (await judged({ ...secret, keys }, named("new"))), "object");
  assert.equal(await judged({ ...secret, keys }, named("old")), "bad_signature");
  assert.equal(await judged({ ...secret, keys }, named("none")), "unknown_key");
  assert.equal(typeof (await judged({ ...secret, keys }, token(RS256, CLAIMS, signed))), "object");
});

test("guests come without a token, or with one that is no JWT; a bad JWT makes nobody a guest", async () => {
  const options = { ...secret, guests: guests() };
  for (const given of [undefined, "", "c0ffee-random"]) {
    const identity = await judged(options, given);
    assert.ok(
      typeof identity === "object" && identity?.isGuest === true && identity.user.startsWith("guest-"),
    );
  }
  const [cut = ""] = good().split(".");
  for (const given of [good({ exp: now - 60 }), "a.b.c", cut])
    assert.equal(typeof (await judged(options, given)), "string");
  assert.equal(await judged(options, cut), "malformed");
});

test("a token may come in a cookie or a header of the request, and one of connect goes before it", async () => {
  const from = (headers: Record<string, string | string[]>): Peer => ({
    ...peer,
    request: { url: "/ws", headers },
  });
  const cookie = { ...secret, tokenFrom: "cookie:session" } as const;
  const header = { ...secret, tokenFrom: "header:Authorization" } as const;
  const userOf = async (...given: Parameters<typeof judged>) => {
    const result = await judged(...given);
    return typeof result === "object" ? result?.user : result;
  };
  assert.equal(await userOf(cookie, undefined, from({ cookie: `a=1; session=${good()}; session=x` })), "ana");
  assert.equal(await userOf(cookie, undefined, from({ cookie: `session="${good()}"` })), "ana");
  assert.equal(await userOf(cookie, undefined, from({ cookie: `xsession=${good()}` })), "no_token");
  assert.equal(await userOf(cookie, undefined, from({ cookie: "session=a.b.c" })), "malformed");
  assert.equal(await userOf(cookie, undefined, peer), "no_token");
  assert.equal(await userOf(cookie, good({ sub: "eve" }), from({ cookie: `session=${good()}` })), "eve");
  assert.equal(await userOf(cookie, "random", from({ cookie: `session=${good()}` })), "ana");
  assert.equal(await userOf(header, undefined, from({ authorization: `Bearer ${good()}` })), "ana");
  assert.equal(await userOf(header, undefined, from({ authorization: good() })), "ana");
  assert.equal(await userOf(header, undefined, from({ authorization: [good(), good()] })), "no_token");
  assert.equal(
    await userOf(header, undefined, from({ authorization: `Bearer ${good({ pad: "x".repeat(8_193) })}` })),
    "malformed",
  );
  const asGuest = { ...cookie, guests: guests() };
  assert.equal(await userOf(asGuest, "random", from({ cookie: "session=a.b.c" })), "malformed");
});

test("a refresh counts by its own token alone, whatever cookie the connection began with", async () => {
  const from: Peer = { ...peer, request: { url: "/ws", headers: { cookie: `session=${good()}` } } };
  const authenticate = jwt({ ...secret, tokenFrom: "cookie:session" });
  for (const given of ["", "random", undefined]) {
    assert.equal((await authenticate({ token: given }, from))?.user, "ana");
    assert.equal(await authenticate({ token: given, isRefresh: true }, from), null);
  }
  assert.equal((await authenticate({ token: good({ sub: "eve" }), isRefresh: true }, from))?.user, "eve");
});

test("what cannot be is refused when it is set up, and no secret is in the message", () => {
  const privatePem = pairs.rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const short = "only 31 bytes, which is one less";
  for (const [options, expected] of [
    [{ ...secret, keys: { secret: short.slice(1) } }, /31 bytes; it has at least 32/],
    [{ ...secret, keys: { secret: pem(pairs.rsa) } }, /give it as publicKey/],
    [{ ...secret, keys: { secret: JSON.stringify(jwk(pairs.rsa)) } }, /give it as publicKey/],
    [{ ...secret, keys: { publicKey: privatePem } }, /private/],
    [{ ...secret, keys: { publicKey: pairs.rsa.privateKey.export({ format: "jwk" }) } }, /private/],
    [{ ...secret, keys: { publicKey: { kty: "oct", k: SECRET } } }, /secret/],
    [{ ...secret, keys: { publicKey: pem(pairs.weak) } }, /2048 bits/],
    [{ ...secret, keys: { publicKey: SECRET } }, /no public key/],
    [{ ...secret, keys: { publicKey: jwk(pairs.rsa, { use: "enc" }) } }, /cannot check tokens/],
    [{ ...secret, keys: [] }, /1 to 8/],
    [{ ...secret, keys: Array.from({ length: 9 }, () => ({ secret: SECRET })) }, /1 to 8/],
    [{ ...secret, keys: { jwks: "http://id.example/keys" } }, /https/],
    [{ ...secret, keys: { jwks: "https://ana:s3cret@id.example/keys" } }, /without a user/],
    [{ ...secret, keys: { jwks: "ftp://id.example/keys" } }, /https/],
    [{ ...secret, keys: { jwks: "keys.json", timeoutMs: 0 } }, /timeoutMs/],
    [{ ...secret, audience: undefined }, /either an audience/],
    [{ ...secret, acceptAnyAudienceDangerously: true }, /either an audience/],
    [{ ...secret, audience: "" }, /audience/],
    [{ ...secret, issuer: [] }, /issuer/],
    [{ ...secret, tokenFrom: "query:token" }, /cookie:NAME/],
    [{ ...secret, tokenFrom: "cookie:" }, /cookie:NAME/],
    [{ ...secret, clockToleranceMs: 600_001 }, /clockToleranceMs/],
    [{ ...secret, claims: { usr: "x" } }, /usr/],
    [{ ...secret, algorithms: ["none"] }, /no option "algorithms"/],
  ] as const) {
    assert.throws(
      () => jwt(options as unknown as JwtOptions),
      (error: Error) => {
        assert.match(error.message, expected);
        assert.ok(!inspect(error).includes("s3cret") && !inspect(error).includes(SECRET));
        return "code" in error && error.code === "invalid_argument";
      },
    );
  }
  jwt({ ...secret, clockToleranceMs: 600_000, keys: Array.from({ length: 8 }, () => ({ secret: SECRET })) });
});

test("who does not import the entry does not load jose", async () => {
  const files = async (entry: string): Promise<string> => {
    const entryPoints = [fileURLToPath(new URL(`../src/${entry}`, import.meta.url))];
    const options = { bundle: true, write: false, metafile: true, platform: "node", format: "esm" } as const;
    const external = ["better-sqlite3", "node:sqlite"];
    const { metafile } = await build({
      entryPoints,
      ...options,
      external,
      conditions: ["zocalo-source"],
      logLevel: "silent",
    });
    return Object.keys(metafile.inputs).join("\n");
  };
  assert.doesNotMatch(await files("index.ts"), /jose|tokens\//);
  assert.match(await files("jwt.ts"), /node_modules\/jose/);
});
