import assert from "node:assert/strict";
import { test } from "node:test";
import { HIDDEN, isSecretName, maskSecrets, withoutSecrets, withoutTokens } from "./secrets.ts";

test("names of secrets, in any case and with whatever separates their words", () => {
  for (const name of [
    "token",
    "Authorization",
    "PROXY-AUTHORIZATION",
    "Set-Cookie",
    "cookies",
    "accessToken",
    "refresh_token",
    "x-auth-token",
    "X-API-Key",
    "dbPassword",
    "clientSecret",
    "private_key",
    "key",
    "pwd",
    "X-Amz-Signature",
    "ticket",
    "basicAuth",
    "signing_key",
    "encryptionKey",
    "passwordHash",
    "token2",
    "secretValue",
  ]) {
    assert.ok(isSecretName(name), name);
  }
  const others = "monkey keys tokenized author host code reason session passenger sec-websocket-key";
  for (const name of [...others.split(" "), ""]) {
    assert.ok(!isSecretName(name), name);
  }
});

test("texts lose what looks like a secret, and nothing else", () => {
  for (const [text, open] of [
    ["wss://ana:s3cret@a.example/ws", `wss://${HIDDEN}@a.example/ws`],
    ["/ws?room=1&token=s3cret&x=2", `/ws?room=1&token=${HIDDEN}&x=2`],
    ["https://a.example/#access_token=s3cret", `https://a.example/#access_token=${HIDDEN}`],
    ["bad request (key=s3cret), token=s3cret", `bad request (key=${HIDDEN}), token=${HIDDEN}`],
    ["Authorization: Bearer s3cret\r\nHost: a.example", `Authorization: ${HIDDEN}\r\nHost: a.example`],
    ["set-cookie: sid=s3cret; Path=/", `set-cookie: ${HIDDEN}`],
    ['with username=ana, password="s3 cret"', `with username=ana, password=${HIDDEN}`],
    ['bad command {"token":"s3cret","id":1}', `bad command {"token":"${HIDDEN}","id":1}`],
    [String.raw`bad command "{\"token\": \"s3cret\"}"`, String.raw`bad command "{\"token\": \"${HIDDEN}\"}"`],
    [String.raw`bad command {"token":"a\"s3\\","id":1}`, `bad command {"token":"${HIDDEN}","id":1}`],
    [String.raw`"{\"token\":\"a\\\"s3\\n\\\\\",\"id\":1}"`, String.raw`"{\"token\":\"${HIDDEN}\",\"id\":1}"`],
    ["{ token: 's3\\'cret', id: 'a' }", `{ token: '${HIDDEN}', id: 'a' }`],
    [`{ note: "bad { 'clientSecret': 's3cret' }" }`, `{ note: "bad { 'clientSecret': '${HIDDEN}' }" }`],
    ["/ws?t%6Fken=s3cret&%zz=1&ticket=s3cret", `/ws?t%6Fken=${HIDDEN}&%zz=1&ticket=${HIDDEN}`],
    ["/ws?token[]=s3cret&user[token]=s3cret", `/ws?token[]=${HIDDEN}&user[token]=${HIDDEN}`],
    // What browsers take for https://.
    ["https:/ana:s3cret@a.example", `https:/${HIDDEN}@a.example`],
    ["https:\\\\ana:s3cret@a.example", `https:\\\\${HIDDEN}@a.example`],
    ["sent Bearer s3cret to a.example", `sent Bearer ${HIDDEN} to a.example`],
    ["it was eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl!", `it was ${HIDDEN}!`],
  ] as const) {
    assert.equal(withoutSecrets(text), open);
    assert.equal(withoutSecrets(open), open, "what is hidden stays as it is");
  }
  for (const text of [
    "dial tcp 127.0.0.1:80: connection refused",
    "proxy a.example:3128 answered 407 Proxy Authentication Required",
    "Basic authentication is missing",
    "invalid token: unexpected }",
    "unix://@name",
    "write to ana@a.example, https://a.example/@ana",
    "a.example:80 answered 302 and redirects to /x?page=2",
    "",
  ]) {
    assert.equal(withoutSecrets(text), text);
  }
});

test("texts that are nothing but beginnings take linear time", () => {
  const beginnings = ["//a", "//@", "?", "?a=", "a=", 'a="', '"a"', '"a":"', "cookie", "authorization "];
  beginnings.push(
    "a:/",
    "a:",
    "a:/a",
    "?[",
    "?%",
    "a:'",
    `a:'a:"`,
    "'a':\"\\",
    String.raw`\"a\":\"\\`,
    String.raw`\"a\":\"`,
  );
  for (const part of [...beginnings, "bearer ", "eyJa", "-eyJabcdef"]) {
    const text = part.repeat(1_000_000 / part.length);
    const startedAt = process.cpuUsage();
    withoutSecrets(text);
    const { user } = process.cpuUsage(startedAt);
    // A quadratic pattern takes minutes.
    assert.ok(user < 10_000_000, `${part}: ${user / 1_000} ms of processor time`);
  }
});

test("subprotocols that carry a token are hidden, others stay", () => {
  for (const [given, open] of [
    ["graphql-transport-ws, v12.stomp, wamp.2.json", "graphql-transport-ws, v12.stomp, wamp.2.json"],
    ["chat,bearer.s3cret", `chat, ${HIDDEN}`],
    ["bearer, s3cret, chat", `bearer, ${HIDDEN}, chat`],
    ["base64url.bearer.authorization.k8s.io.czNjcmV0", HIDDEN],
    ["access_token, s3cret", `access_token, ${HIDDEN}`],
    ["x".repeat(48), "x".repeat(48)],
    ["x".repeat(49), HIDDEN],
  ] as const) {
    assert.equal(withoutTokens(given), open);
  }
});

test("fields, arrays and pairs lose their secrets at any depth", () => {
  const value = {
    token: { inner: 1 },
    hasToken: true,
    cookie: null,
    password: "",
    pin: 7,
    rawHeaders: ["Cookie", "s3cret", "Host", "a.example"],
    entries: [["x-api-key", "s3cret"]],
    pairs: [
      { name: "authorization", value: "s3cret" },
      { name: "host", value: "a.example" },
      { key: "authorization", value: "s3cret" },
      { header: "cookie", value: "s3cret" },
    ],
    subprotocols: ["chat", "bearer", "s3cret"],
    "https://ana:s3cret@a.example": 1,
  };
  assert.deepEqual(maskSecrets(value), {
    token: HIDDEN,
    hasToken: true,
    cookie: null,
    password: "",
    pin: 7,
    rawHeaders: ["Cookie", HIDDEN, "Host", "a.example"],
    entries: [["x-api-key", HIDDEN]],
    pairs: [
      { name: "authorization", value: HIDDEN },
      { name: "host", value: "a.example" },
      { key: HIDDEN, value: HIDDEN },
      { header: "cookie", value: HIDDEN },
    ],
    subprotocols: ["chat", "bearer", HIDDEN],
    [`https://${HIDDEN}@a.example`]: 1,
  });
});

test("what lies deeper than 32 levels is hidden as a whole", () => {
  const nested = (levels: number): unknown =>
    Array.from({ length: levels }).reduce<unknown>((inner) => ({ a: inner }), "open");
  assert.match(JSON.stringify(maskSecrets(nested(32))), /open/);
  assert.doesNotMatch(JSON.stringify(maskSecrets(nested(33))), /open/);
  // A stack would not be deep enough for this one.
  assert.doesNotMatch(JSON.stringify(maskSecrets(nested(100_000))), /open/);
});

test("a key of JSON that is no ordinary name is only a key", () => {
  const masked = maskSecrets(JSON.parse('{"__proto__":{"token":"s3cret"},"constructor":1}'));
  assert.equal(JSON.stringify(masked), `{"__proto__":{"token":"${HIDDEN}"},"constructor":1}`);
});
