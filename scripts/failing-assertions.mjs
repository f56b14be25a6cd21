// Preloaded into every test. On Node 20 an `assert.ok` that fails without a message looks for its own text in
// the file, at the column it has in what `tsx` has made of it, which is one long line. Where no expression is
// found there and the file goes on, `findColumn` in Node's assert.js reads no further and parses the same
// again, thousands of times: the test takes a core for minutes and does not fail. Node 22 does not. This is
// JavaScript since threads load it, too, which `tsx` does not reach.
import assert from "node:assert/strict";
import { inspect } from "node:util";

/** As Node's, but that a message is never looked for in the source. */
function ok(actual, message) {
  if (actual) return;
  if (message instanceof Error) throw message;
  throw new assert.AssertionError({
    message: message ?? `The expression evaluated to a falsy value: ${inspect(actual)}`,
    actual,
    expected: true,
    operator: "==",
    stackStartFn: ok,
  });
}

if (process.versions.node.startsWith("20.")) Object.assign(assert, { ok });
