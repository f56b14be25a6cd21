// Keys that somebody else changes: a host that is slow, broken, hangs, grows or redirects, and a file.
import assert from "node:assert/strict";
import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { inspect } from "node:util";
import type { Peer } from "@zocalo/net";
import { Hub } from "../src/index.ts";
import { jwt, type JwtOptions, type JwtRefusalReason } from "../src/jwt.ts";
import { temporaryDirectory } from "./durable-store.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import { FakeConn } from "./fake-conn.ts";
import { hmac, jwk, pairs, pem, signature, token } from "./jwt-tokens.ts";

const peer: Peer = { transport: "pipe", addr: { network: "pipe", toString: () => "pipe" } };
const sets = {
  old: JSON.stringify({ keys: [jwk(pairs.rsa, { kid: "old" })] }),
  new: JSON.stringify({ keys: [jwk(pairs.p256, { kid: "new" })] }),
  both: JSON.stringify({
    keys: [
      7,
      null,
      {},
      { kty: "oct", k: "AAAA", kid: "old" },
      jwk(pairs.weak, { kid: "weak" }),
      jwk(pairs.other, { kid: "other", use: "enc" }),
      jwk(pairs.rsa, { kid: "old" }),
      jwk(pairs.p256, { kid: "new", use: "sig" }),
    ],
  }),
};

/** A host of keys: what it answers, and how often it was asked. */
async function host(t: TestContext) {
  const asked: ServerResponse[] = [];
  let answer = (response: ServerResponse): void => void response.end(sets.old);
  const server = createServer((_, response) => {
    asked.push(response);
    answer(response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/keys.json?code=s3cret`;
  return { url, asked, server, answers: (as: typeof answer) => (answer = as) };
}

/** Judges tokens by a set of keys, on a clock of its own. */
function judge(options: { jwks: string } & Partial<JwtOptions>) {
  const clock = new FakeClock();
  const { jwks, ...more } = options;
  let refused: JwtRefusalReason | undefined;
  const authenticate = jwt({
    keys: { jwks },
    audience: "chat",
    clock,
    onRefuse: ({ reason }) => (refused = reason),
    ...more,
  });
  const claims = { sub: "ana", aud: "chat", exp: clock.wall() / 1_000 + 1e6 };
  const made = {
    old: token({ alg: "RS256", kid: "old" }, claims, signature(pairs.rsa.privateKey)),
    new: token({ alg: "ES256", kid: "new" }, claims, signature(pairs.p256.privateKey)),
    confused: token({ alg: "HS256", kid: "old" }, claims, hmac(pem(pairs.rsa))),
  };
  const said = async (given: string): Promise<string | undefined> => {
    refused = undefined;
    const identity = await authenticate({ token: given }, peer);
    return refused ?? identity?.user;
  };
  return { clock, made, said, authenticate };
}

/** The whole of an error as a log has it. */
const logged = (error: unknown): string => inspect(error, { depth: 10 });

test("a set is asked for once, and again when a token names a key that it has not", async (t) => {
  const { url, asked, answers } = await host(t);
  const { clock, made, said } = judge({ jwks: url });
  assert.deepEqual(await Promise.all([said(made.old), said(made.old)]), ["ana", "ana"]);
  assert.equal(asked.length, 1, "those who come together wait together");
  assert.equal(await said(made.new), "unknown_key");
  assert.equal(asked.length, 1, "it was asked for just now");
  answers((response) => response.end(sets.both));
  clock.advance(29_999);
  assert.equal(await said(made.new), "unknown_key");
  clock.advance(1);
  assert.equal(await said(made.new), "ana");
  assert.equal(await said(made.old), "ana");
  assert.equal(asked.length, 2);
  for (let round = 0; round < 20; round++)
    await said(
      made.new.replace(/^[^.]+/, Buffer.from(`{"alg":"ES256","kid":"${round}"}`).toString("base64url")),
    );
  assert.equal(asked.length, 2, "unknown keys are asked for once in a while");
});

test("a set that is old is asked for again, and a key that is not in it any more is none", async (t) => {
  const { url, asked, answers } = await host(t);
  const { clock, made, said } = judge({ jwks: url });
  assert.equal(await said(made.old), "ana");
  answers((response) => response.end(sets.new));
  clock.advance(599_999);
  assert.equal(await said(made.old), "ana");
  assert.equal(asked.length, 1);
  clock.advance(1);
  assert.equal(await said(made.old), "ana", "nobody waits for it");
  while ((await said(made.old)) === "ana") await settle();
  assert.deepEqual([await said(made.old), await said(made.new), asked.length], ["unknown_key", "ana", 2]);
});

const BROKEN: readonly (readonly [string, RegExp, (response: ServerResponse, server: string) => void])[] = [
  ["answers 500", /answered 500/, (response) => response.writeHead(500).end(sets.old)],
  ["cuts the connection", /fetch failed|terminated|hang up/, (response) => response.destroy()],
  [
    "redirects to another host",
    /redirect/,
    (response) => response.writeHead(302, { location: "http://127.0.0.2:1/" }).end(),
  ],
  ["redirects to itself", /redirect/, (response, url) => response.writeHead(307, { location: url }).end()],
  ["sends no JSON", /JSON/, (response) => response.end("<html>")],
  ["sends no set", /no array/, (response) => response.end("[]")],
  ["sends null", /no array/, (response) => response.end("null")],
  ["has no key", /no key/, (response) => response.end('{"keys":[]}')],
  ["has secrets only", /no key/, (response) => response.end('{"keys":[{"kty":"oct","k":"AAAA"}]}')],
  ["has 65 keys", /at most 64/, (response) => response.end(`{"keys":[${"{},".repeat(64)}{}]}`)],
  ["sends 262,145 bytes", /at most 262144/, (response) => response.end(sets.old.padEnd(262_145))],
  ["never ends", /at most 262144/, (response) => grow(response)],
];

function grow(response: ServerResponse): void {
  const more = (): void => {
    while (!response.destroyed && response.write("x".repeat(65_536)));
  };
  response.on("drain", more);
  more();
}

for (const [what, why, answer] of BROKEN) {
  test(`where a host ${what}, nobody is decided on without a set, and with one by that`, async (t) => {
    const { url, asked, answers } = await host(t);
    const { clock, made, said } = judge({ jwks: url });
    answers((response) => answer(response, url));
    await assert.rejects(said(made.old), (error) => {
      assert.match(logged(error), why);
      assert.ok(!logged(error).includes("s3cret") && !logged(error).includes(made.old));
      return true;
    });
    await assert.rejects(said(made.old));
    assert.equal(asked.length, 1, "it is left alone for a moment");
    assert.equal(await said(made.confused), "algorithm_not_allowed");
    answers((response) => response.end(sets.old));
    clock.advance(2_000);
    assert.equal(await said(made.old), "ana");
    answers((response) => answer(response, url));
    clock.advance(600_000);
    for (let round = 0; round < 3; round++)
      assert.equal(await said(made.old), "ana", "the last good set counts");
    await assert.rejects(said(made.new), /cannot be had/);
  });
}

test("262,144 bytes and 64 keys are taken", async (t) => {
  const { url, answers } = await host(t);
  answers((response) => response.end(sets.old.padEnd(262_144)));
  const large = judge({ jwks: url });
  assert.equal(await large.said(large.made.old), "ana");
  answers((response) => response.end(`{"keys":[${"{},".repeat(63)}${JSON.stringify(jwk(pairs.rsa))}]}`));
  const many = judge({ jwks: url });
  assert.equal(await many.said(many.made.old), "ana");
});

test("a host that hangs is given up after its time, before the answer and within it", async (t) => {
  const { url, asked, answers } = await host(t);
  for (const hang of [() => {}, (response: ServerResponse) => void response.write('{"keys":[')]) {
    answers(hang);
    const { clock, made, said } = judge({ jwks: url });
    const before = asked.length;
    const failed = assert.rejects(said(made.old), (error) => /nothing in 5000 ms/.test(logged(error)));
    while (asked.length === before) await settle();
    clock.advance(5_000);
    await failed;
  }
});

test("while a host hangs those whose keys are known do not wait for it", async (t) => {
  const { url, asked, answers } = await host(t);
  const { clock, made, said } = judge({ jwks: url });
  assert.equal(await said(made.old), "ana");
  answers(() => {});
  clock.advance(600_000);
  const waits = said(made.new);
  while (asked.length < 2) await settle();
  assert.equal(await said(made.old), "ana");
  clock.advance(5_000);
  await assert.rejects(waits);
});

test("a client whose token cannot be judged is closed with 1011, to come back", async (t) => {
  const { url, answers } = await host(t);
  answers((response) => response.writeHead(503).end());
  const { made, authenticate } = judge({ jwks: url });
  const errors: unknown[] = [];
  const hub = new Hub({ namespaces: {}, authenticate, onError: (error) => errors.push(error) });
  const conn = new FakeConn();
  hub.accept(conn);
  conn.say({ type: "connect", token: made.old });
  assert.equal((await conn.untilClosed()).code, 1011);
  assert.ok(errors.length === 1 && !logged(errors).includes(made.old.slice(-40)));
});

test("a set in a file is read again when a token names a key that it has not", async () => {
  const path = join(temporaryDirectory(), "keys.json");
  const { clock, made, said } = judge({ jwks: path });
  await assert.rejects(said(made.old), /cannot be had/);
  await writeFile(path, sets.old);
  clock.advance(2_000);
  assert.equal(await said(made.old), "ana");
  await writeFile(`${path}.next`, sets.both);
  await rename(`${path}.next`, path);
  clock.advance(30_000);
  assert.equal(await said(made.new), "ana");
  await writeFile(path, sets.old.padEnd(262_145));
  const { made: others, said: toOthers } = judge({ jwks: path });
  await assert.rejects(toOthers(others.old), (error) => /262144/.test(logged(error)));
});

test("a key of one's own is asked before a set", async (t) => {
  const { url, asked } = await host(t);
  const { made, said } = judge({ jwks: "unused", keys: [{ jwks: url }, { publicKey: pem(pairs.p256) }] });
  assert.equal(await said(made.new), "ana");
  assert.equal(asked.length, 0);
  assert.equal(await said(made.old), "ana");
  assert.equal(asked.length, 1);
});

test("a key of one's own, of the same kind and without a name, hides none of a set", async (t) => {
  const { url, asked, answers } = await host(t);
  const own = { publicKey: pem(pairs.other) };
  const { clock, made, said } = judge({ jwks: "unused", keys: [own, { jwks: url }] });
  assert.equal(await said(made.old), "ana");
  assert.equal(asked.length, 1);
  const claims = { sub: "tina", aud: "chat", exp: clock.wall() / 1_000 + 1e6 };
  for (const header of [{ alg: "RS256" }, { alg: "RS256", kid: "own" }])
    assert.equal(await said(token(header, claims, signature(pairs.other.privateKey))), "tina");
  assert.equal(asked.length, 1, "what is of one's own asks nobody");
  const forged = token({ alg: "RS256", kid: "own" }, claims, signature(pairs.p256.privateKey));
  answers((response) => response.end(sets.new));
  clock.advance(30_000);
  for (let round = 0; round < 3; round++) assert.equal(await said(forged), "bad_signature");
  assert.equal(asked.length, 2, "and forged ones ask as seldom as unknown ones");
});

test("a key of one's own that a token names is the only one it may be of", async (t) => {
  const { url, asked } = await host(t);
  const own = { publicKey: jwk(pairs.other, { kid: "old" }) };
  const { made, said } = judge({ jwks: "unused", keys: [own, { jwks: url }] });
  assert.equal(await said(made.old), "bad_signature");
  assert.equal(asked.length, 0);
});

test("a host that is broken, or hangs, is nothing to users of another", async (t) => {
  const [broken, good] = [await host(t), await host(t)];
  good.answers((response) => response.end(sets.new));
  broken.answers((response) => response.writeHead(503).end());
  const keys = [{ jwks: broken.url }, { jwks: good.url }];
  const { clock, made, said } = judge({ jwks: "unused", keys });
  assert.equal(await said(made.new), "ana");
  await assert.rejects(said(made.old), /cannot be had/);
  broken.answers(() => {});
  clock.advance(30_000);
  const waits = assert.rejects(said(made.old), /cannot be had/);
  while (broken.asked.length < 2) await settle();
  assert.equal(await said(made.new), "ana", "while the other hangs");
  clock.advance(5_000);
  await waits;
});
