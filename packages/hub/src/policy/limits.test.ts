import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultHubLimits, hubLimits } from "./limits.ts";

test("what is not given has its default", () => {
  assert.deepEqual(hubLimits({ sessions: 7 }), { ...defaultHubLimits, sessions: 7 });
});

test("a limit that is none is refused by name and value", () => {
  assert.throws(() => hubLimits({ sessions: 0 }), /limits\.sessions 0 is not a whole number from 1 to /);
  assert.throws(() => hubLimits({ pingMs: Number.POSITIVE_INFINITY }), /limits\.pingMs Infinity is not/);
  assert.throws(() => hubLimits({ session: 5 } as never), /no option "session"; it has answerTimeoutMs, /);
});
