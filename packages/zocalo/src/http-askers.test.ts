import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Socket } from "node:net";
import { test } from "node:test";
import { exemptSet } from "@zocalo/net";
import { Askers } from "./http-askers.ts";

test("who is exempt is so beside others of the same network, and makes nobody else exempt", () => {
  const askers = new Askers(createServer(), {
    perSecondPerAddress: 1,
    exempt: exemptSet(["2001:db8::1"]),
    answerTimeoutMs: 1_000,
    idleTimeoutMs: 1_000,
    checkMs: 1_000,
    onAllAnswered: () => undefined,
  });
  const comes = (host: string): boolean => askers.connected(new Socket(), host);
  assert.equal(comes("2001:db8::1"), true, "at the limit");
  assert.equal(comes("2001:db8::1"), true, "exempt");
  assert.equal(comes("2001:db8::2"), false, "one past it");
  assert.equal(comes("2001:db8::1"), true, "exempt");
});
