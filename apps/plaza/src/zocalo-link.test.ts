import assert from "node:assert/strict";
import { test } from "node:test";
import { ChannelError, SessionError } from "@zocalo/client";
import { WORDS } from "./words.ts";
import { linkState, reasonOf } from "./zocalo-link.ts";

test("a page without a connection knows whether the server has no room", () => {
  for (const [cause, why] of [
    [new SessionError("connection_lost", "1006", { closeCode: 1006 }), "lost"],
    [new SessionError("timeout", "no answer"), "lost"],
    [new SessionError("dial_failed", "cannot connect"), "lost"],
    [new SessionError("connection_lost", "1013: full", { closeCode: 1013 }), "full"],
  ] as const) {
    assert.deepEqual(linkState({ name: "waiting", attempt: 1, retryAt: 7, cause }), {
      phase: "waiting",
      why,
    });
  }
});

test("a refusal is told in the page's language where it knows the code, else in the server's words", () => {
  const may = new ChannelError("forbidden", "plaza:general", "you may not publish to plaza:general");
  assert.equal(reasonOf(may), WORDS.reasons.forbidden);
  assert.equal(reasonOf(new ChannelError("bad_command", "plaza:general", "no such field")), "no such field");
  const cause = new SessionError("unauthorized", "4401: no");
  assert.deepEqual(linkState({ name: "closed", cause }), {
    phase: "closed",
    reason: WORDS.reasons.unauthorized,
  });
  assert.deepEqual(linkState({ name: "closed" }), { phase: "closed", reason: WORDS.over });
});
