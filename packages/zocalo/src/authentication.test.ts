import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Identity } from "@zocalo/hub";
import type { Peer } from "@zocalo/net";
import { authenticationFor, type TokenSettings } from "./authentication.ts";
import { EXIT, UserError } from "./exit-code.ts";
import { readSettings } from "./read-settings.ts";
import { makeToken, type TokenOptions } from "./token-command.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-authentication-"));
after(() => rmSync(directory, { recursive: true }));
const SECRET = "c0ffee-c0ffee-c0ffee-c0ffee-c0ffee";
const peer: Peer = { transport: "pipe", addr: { network: "pipe", toString: () => "pipe" } };

function file(name: string, text: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** Settings from the environment alone. */
const environment = (given: Record<string, string>) => ({ flags: {}, environment: given, directory });
const settingsOf = (given: Record<string, string>): TokenSettings => readSettings(environment(given));
const secretly = { ZOCALO_TOKEN_SECRET: SECRET, ZOCALO_TOKEN_AUDIENCE: "chat" };

/** What the log is told, and who somebody is. */
async function decide(given: Record<string, string>) {
  const told: { readonly object: object; readonly text: string }[] = [];
  const log = { info: (object: object, text: string) => void told.push({ object, text }) };
  const authenticate = await authenticationFor(settingsOf(given), log as never);
  return {
    told,
    whois: async (token?: string): Promise<Identity | null | undefined> => authenticate?.({ token }, peer),
  };
}

const make = (given: Record<string, string>, options: Partial<TokenOptions> = {}, now = Date.now()) =>
  makeToken(environment(given), { user: "ana", expires: "1h", ...options }, now);

/** The sentence of the error, which is the user's to mend. */
async function fault(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.exitCode, EXIT.usage);
    assert.ok(!error.message.includes(SECRET));
    return error.message;
  }
  return assert.fail("no fault was found");
}

test("without keys everybody is a guest, as the hub has it", async () => {
  assert.equal(await authenticationFor(settingsOf({}), { info: () => {} } as never), undefined);
});

test("a token of the settings' secret makes a user; without one, or with a random one, one is a guest", async () => {
  const { whois, told } = await decide(secretly);
  const now = Date.now();
  const info = { name: "Ana" };
  const ana = await whois(await make(secretly, { expires: "90s", info: JSON.stringify(info) }, now));
  assert.deepEqual(ana, {
    user: "ana",
    isGuest: false,
    info,
    expiresAt: Math.floor(now / 1_000) * 1_000 + 95_000,
  });
  for (const token of [undefined, "4f2c9be1"]) assert.equal((await whois(token))?.isGuest, true);
  assert.deepEqual(told, []);
});

test("the secret may stand in a file, and its last line break is none of it", async () => {
  const inFile = {
    ZOCALO_TOKEN_SECRET_FILE: file("secret", `${SECRET}\n`),
    ZOCALO_TOKEN_AUDIENCE: "shop,chat",
  };
  const { whois } = await decide(inFile);
  assert.equal((await whois(await make(secretly)))?.user, "ana");
  assert.equal((await whois(await make(inFile)))?.user, "ana");
});

test("issuer and audience are asked for, and refusals are told once a minute of each reason", async () => {
  const { whois, told } = await decide({ ...secretly, ZOCALO_TOKEN_ISSUER: "https://id.example" });
  const token = await make(secretly);
  for (let round = 0; round < 5; round++) assert.equal(await whois(token), null);
  assert.equal(
    await whois(
      await make({ ...secretly, ZOCALO_TOKEN_AUDIENCE: "shop", ZOCALO_TOKEN_ISSUER: "https://id.example" }),
    ),
    null,
  );
  assert.deepEqual(
    told.map(({ object }) => object),
    [
      { reason: "wrong_issuer", keptBack: 0 },
      { reason: "wrong_audience", keptBack: 0 },
    ],
  );
  assert.ok(!JSON.stringify(told).includes(token.slice(-20)));
});

test("a public key in a file, as PEM or JWK, and a set of keys in a file check tokens", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const claims = { sub: "tina", aud: "chat", exp: Date.now() / 1_000 + 60 };
  const said = [{ alg: "EdDSA" }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const token = `${said}.${sign(null, Buffer.from(said), privateKey).toString("base64url")}`;
  const jwk = JSON.stringify(publicKey.export({ format: "jwk" }));
  for (const [name, path] of [
    ["ZOCALO_TOKEN_KEY_FILE", file("key.pem", publicKey.export({ type: "spki", format: "pem" }).toString())],
    ["ZOCALO_TOKEN_KEY_FILE", file("key.json", jwk)],
    ["ZOCALO_TOKEN_JWKS", file("keys.json", `{"keys":[${jwk}]}`)],
  ] as const) {
    const { whois } = await decide({ [name]: path, ZOCALO_TOKEN_AUDIENCE: "chat" });
    assert.equal((await whois(token))?.user, "tina", path);
    assert.match(
      await fault(() => make({ [name]: path, ZOCALO_TOKEN_AUDIENCE: "chat" })),
      /signed with a secret/,
    );
  }
});

test("what does not belong together is said at start", async () => {
  const config = (content: object) => ({
    ...environment({}),
    configPath: file("z.json", JSON.stringify(content)),
  });
  for (const [given, expected] of [
    [{ tokenSecret: SECRET }, /^tokenAudience is missing/],
    [{ tokenAudience: ["chat"] }, /are about tokens: set one of tokenSecret,/],
    [{ tokenFrom: "cookie:a" }, /are about tokens/],
    [{ namespaces: { sala: { cast: "users" } } }, /^namespaces.sala.cast is "users", and without tokens/],
    [
      { tokenSecret: SECRET, tokenAudience: ["a"], tokenFrom: "cookie:a", allowedOrigins: ["*"] },
      /^tokenFrom is a cookie, .* allowedOrigins lets in every page/,
    ],
    [{ tokenSecret: SECRET.slice(3) }, /^tokenSecret in .* is not shown; allowed: 32 characters/],
    [{ tokenSecret: [SECRET] }, /is not shown/],
    [{ tokenFrom: "query:token" }, /^tokenFrom in .*; allowed: cookie:NAME/],
    [{ tokenAudience: [""] }, /^tokenAudience/],
  ] as const) {
    assert.match(await fault(() => readSettings(config(given))), expected);
  }
  const settings = readSettings(
    config({ tokenSecret: SECRET, tokenAudience: ["a"], namespaces: { sala: { publish: "users" } } }),
  );
  assert.equal(settings.namespaces["sala"]?.publish, "users");
  for (const [tokenFrom, origin] of [
    ["header:authorization", "*"],
    ["cookie:a", "https://example.org"],
  ])
    readSettings(config({ tokenSecret: SECRET, tokenAudience: ["a"], tokenFrom, allowedOrigins: [origin] }));
});

test("a secret has no flag", async () => {
  const cli = fileURLToPath(new URL("./bin.ts", import.meta.url));
  const args = ["--conditions=zocalo-source", "--import", "tsx", cli, "serve", "--token-secret", SECRET];
  const run = promisify(execFile)(process.execPath, args, { cwd: process.cwd() });
  await assert.rejects(run, (error: Error & { code?: number; stderr?: string }) => {
    assert.equal(error.code, EXIT.usage);
    assert.match(error.stderr ?? "", /unknown option '--token-secret'/);
    return true;
  });
});

test("files that are not there, and keys that are none, are said in a sentence", async () => {
  const audience = { ZOCALO_TOKEN_AUDIENCE: "chat" };
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  for (const [given, expected] of [
    [{ ZOCALO_TOKEN_KEY_FILE: join(directory, "none") }, /^tokenKeyFile .*none cannot be read \(ENOENT\)/],
    [{ ZOCALO_TOKEN_SECRET_FILE: file("short", "short") }, /the secret has 5 bytes; it has at least 32/],
    [{ ZOCALO_TOKEN_SECRET_FILE: file("raw", Buffer.alloc(48, 0xc3)) }, /raw is no text in UTF-8, such as/],
    [{ ZOCALO_TOKEN_KEY_FILE: file("private.pem", pem) }, /the key is private/],
    [{ ZOCALO_TOKEN_KEY_FILE: file("odd", "7") }, /no public key/],
    [{ ZOCALO_TOKEN_JWKS: "http://id.example/keys" }, /an https: URL/],
  ] as const) {
    assert.match(await fault(() => decide({ ...given, ...audience })), expected);
  }
});

test("a token for trying says what it is asked to, and what it cannot is said", async () => {
  const now = 1_763_881_200_000;
  const given = { ...secretly, ZOCALO_TOKEN_ISSUER: "me" };
  for (const [expires, seconds] of [
    ["90s", 90],
    ["15m", 900],
    ["1h", 3_600],
    ["7d", 604_800],
  ] as const) {
    const [header = "", claims = ""] = (await make(given, { expires }, now)).split(".");
    const iat = now / 1_000;
    assert.deepEqual(
      [header, claims].map((part) => JSON.parse(Buffer.from(part, "base64url").toString()) as unknown),
      [
        { alg: "HS256", typ: "JWT" },
        { sub: "ana", iss: "me", aud: "chat", iat, exp: iat + seconds },
      ],
    );
  }
  for (const [options, expected] of [
    [{ expires: "0s" }, /--expires is "0s"; allowed/],
    [{ expires: "soon" }, /--expires/],
    [{ user: "" }, /1 to 128/],
    [{ user: "u".repeat(129) }, /1 to 128/],
    [{ user: "server" }, /not called server/],
    [{ user: "guest-1" }, /not called server or guest-/],
    [{ info: "[]" }, /--info/],
    [{ info: "{" }, /--info/],
  ] as const) {
    assert.match(await fault(() => make(given, options)), expected);
  }
});
