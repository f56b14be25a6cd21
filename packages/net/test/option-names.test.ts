// Every option of "tcp" and "unix" is checked by its name and its kind, and the message shows the value and what is allowed.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { dial, listen } from "@zocalo/net";

const directory = mkdtempSync(join(tmpdir(), "zocalo-options-"));
after(() => rmSync(directory, { recursive: true }));
const path = join(directory, "s");

const wrongForAll: [object, RegExp][] = [
  [{ noDelay: "false" }, /noDelay is "false", and not a boolean/],
  [{ keepAlive: 1 }, /keepAlive is 1, and not a boolean/],
  [{ keepAliveIdle: 1 }, /has no option "keepAliveIdle"; it has .*keepAliveIdleMs/],
  [{ signal: {} }, /signal \{\} is not an AbortSignal/],
];
const wrongForListeners: [object, RegExp][] = [
  ...wrongForAll,
  [{ onRefuse: "log" }, /onRefuse is "log", and not a function/],
  [{ exemptAddresses: "10.0.0.1" }, /exemptAddresses "10.0.0.1" is not a list of addresses/],
  [{ exemptAddress: [] }, /has no option "exemptAddress"; it has .*exemptAddresses/],
  [{ maxConnectionPerAddress: 1 }, /has no option "maxConnectionPerAddress"/],
];
const numbers = ["maxConnections", "maxPending", "backlog"] as const;

for (const [wrong, message] of [
  ...wrongForListeners,
  [{ modee: 0o600 }, /a listener on a Unix socket has no option "modee"; it has .*mode/],
  [{ replaceStale: "yes" }, /replaceStale is "yes", and not a boolean/],
  [{ unlinkOnClose: 1 }, /unlinkOnClose is 1, and not a boolean/],
  [{ mode: "0600" }, /mode/],
  [{ ipv6Only: true }, /has no option "ipv6Only"/],
] as [object, RegExp][]) {
  test(`listen("unix") refuses ${JSON.stringify(wrong)}, and makes no file`, async () => {
    await assert.rejects(listen("unix", path, wrong), { code: "invalid_argument", message });
    assert.deepEqual(readdirSync(directory), []);
  });
}

for (const [wrong, message] of [
  ...wrongForListeners,
  [{ reusePort: "yes" }, /reusePort is "yes", and not a boolean/],
  [{ proxyProtocol: { trusted: "10.0.0.1" } }, /proxyProtocol.trusted "10.0.0.1" is not a list of addresses/],
  [{ proxyProtocol: { trust: [] } }, /proxyProtocol has no option "trust"/],
  [{ proxyProtocol: true }, /proxyProtocol is of type boolean, and not an object/],
  [{ mode: 0o600 }, /a TCP listener has no option "mode"/],
] as [object, RegExp][]) {
  test(`listen("tcp") refuses ${JSON.stringify(wrong)}`, async () => {
    await assert.rejects(listen("tcp", "127.0.0.1:0", wrong), { code: "invalid_argument", message });
  });
}

for (const network of ["tcp", "unix"] as const) {
  for (const [wrong, message] of [
    ...wrongForAll,
    [{ deadlineMs: 5 }, /has no option "deadlineMs"; it has .*deadline/],
    ...(network === "tcp" ? [[{ resolver: "8.8.8.8" }, /resolver is "8.8.8.8", and not a function/]] : []),
  ] as [object, RegExp][]) {
    test(`dial("${network}") refuses ${JSON.stringify(wrong)}`, async () => {
      const dialed = network === "tcp" ? dial("tcp", "127.0.0.1:1", wrong) : dial("unix", path, wrong);
      await assert.rejects(dialed, { code: "invalid_argument", message });
    });
  }
}

for (const name of numbers) {
  test(`listen refuses a symbol as ${name}, and shows it`, async () => {
    const message = new RegExp(`${name} Symbol\\(many\\) is not a whole number of at least 1`);
    const wrong: object = { [name]: Symbol("many") };
    await assert.rejects(listen("tcp", "127.0.0.1:0", wrong), { code: "invalid_argument", message });
  });
}

test("options that are undefined are left out", async () => {
  const none = { noDelay: undefined, signal: undefined, onRefuse: undefined, exemptAddresses: undefined };
  const listener = await listen("unix", path, { ...none, mode: undefined, replaceStale: undefined });
  await listener.close();
});
