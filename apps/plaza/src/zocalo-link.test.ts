import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionError } from "@zocalo/client";
import { linkState } from "./zocalo-link.ts";

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
