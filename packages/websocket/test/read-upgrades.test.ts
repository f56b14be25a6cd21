// By whom requests for a WebSocket are read is an option of `listen`.
import assert from "node:assert/strict";
import { Server } from "node:http";
import { type TestContext, test } from "node:test";
import { listen as listenNet } from "@zocalo/net";
import { dial, listen, type ListenOptions } from "../src/index.ts";
import { setFirstBytes } from "../src/server/door.ts";
import { selfSigned } from "./certificate.ts";
import { ANY_PORT, echoAll } from "./peers.ts";

const identity = selfSigned("IP:127.0.0.1");

/** How many upgrades `node:http` tells of while one WebSocket is opened. */
async function toldByHttp(t: TestContext, options: ListenOptions, isOnListener = false): Promise<number> {
  const below = isOnListener ? await listenNet("tcp", ANY_PORT) : ANY_PORT;
  const listener = typeof below === "string" ? await listen(below, options) : await listen(below, options);
  void echoAll(listener);
  const emitted = t.mock.method(Server.prototype, "emit");
  const scheme = options.tls === undefined ? "ws" : "wss";
  const tls = { ca: identity.cert };
  const conn = await dial(`${scheme}://${String(listener.addr)}`, { tls });
  await conn.send("hola");
  assert.equal(await conn.receive(), "hola");
  await conn.close();
  await listener.close();
  const upgrades = emitted.mock.calls.filter(({ arguments: [event] }) => event === "upgrade").length;
  emitted.mock.restore();
  return upgrades;
}

for (const [what, options, isOnListener] of [
  ["on an address", {}, false],
  ["on a listener", {}, true],
  ["with TLS", { tls: identity }, false],
] as const) {
  test(`readUpgrades says who reads requests for a WebSocket, ${what}`, async (t) => {
    assert.equal(await toldByHttp(t, { ...options, readUpgrades: "here" }, isOnListener), 0);
    assert.equal(await toldByHttp(t, { ...options, readUpgrades: "node:http" }, isOnListener), 1);
  });
}

test("without readUpgrades the environment decides, and readUpgrades stands above it", async (t) => {
  t.after(() => setFirstBytes(true));
  for (const isOn of [true, false]) {
    setFirstBytes(isOn);
    assert.equal(await toldByHttp(t, {}), isOn ? 0 : 1);
    assert.equal(await toldByHttp(t, { readUpgrades: "here" }), 0);
    assert.equal(await toldByHttp(t, { readUpgrades: "node:http" }), 1);
  }
});

test("readUpgrades is one of two words", async () => {
  const wrong = { readUpgrades: "http" } as object;
  await assert.rejects(listen(ANY_PORT, wrong), {
    code: "invalid_argument",
    message: /readUpgrades "http" is not one of "here", "node:http"/,
  });
});
