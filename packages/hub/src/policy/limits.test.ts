import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultHubLimits, hubLimits } from "./limits.ts";

test("what is not given has its default", () => {
  assert.deepEqual(hubLimits({ sessions: 7 }), { ...defaultHubLimits, sessions: 7 });
});

test("a limit that is none is refused by name and value", () => {
  assert.throws(() => hubLimits({ sessions: 0 }), /limits\.sessions is 0; it must be a whole number from 1/);
  assert.throws(() => hubLimits({ pingMs: Number.POSITIVE_INFINITY }), /limits\.pingMs is Infinity/);
  assert.throws(() => hubLimits({ session: 5 } as never), /limits\.session is not a limit/);
});
