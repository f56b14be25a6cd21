import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { Notices } from "./notices.ts";

/** What is written. */
function said(isForPeople: boolean, say: (notices: Notices) => void): string {
  let written = "";
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString();
      done();
    },
  });
  say(new Notices(stream, isForPeople, true));
  return written;
}

// oxlint-disable-next-line no-control-regex
const DANGER = /[\x00-\x1f\x7f-\x9f\u202a-\u202e]/;
const ESCAPES = "\x1b]0;pwned\x07\n\x9b31m\u202e";

test("words stay on one line and move no cursor, nor does a warning", () => {
  const line = said(true, (notices) => notices.tell("failed", `it failed: ${ESCAPES}`, {}));
  assert.match(line, /^it failed: [^\n]+\n$/);
  assert.doesNotMatch(line.trimEnd(), DANGER);
  const warning = said(false, (notices) => notices.warn(ESCAPES));
  assert.match(warning, /^zocalo: [^\n]+\n$/);
  assert.doesNotMatch(warning.trimEnd(), DANGER);
});

test("JSON has the same in escapes of JSON, and stands for what was said", () => {
  const line = said(false, (notices) => notices.tell("failed", "", { reason: ESCAPES }));
  assert.doesNotMatch(line.trimEnd(), DANGER);
  assert.deepEqual(JSON.parse(line), { event: "failed", reason: ESCAPES });
});

test("a token of a URL and one in a subprotocol are told nobody", () => {
  const peer = "ws://ana:s3cret@a.example/ws?token=s3cret";
  const words = said(true, (notices) => notices.tell("connected", `connected with ${peer}`, {}));
  assert.equal(words, "connected with ws://[Redacted]@a.example/ws?token=[Redacted]\n");
  const subprotocol = "bearer.s3cret";
  const line = said(false, (notices) => notices.tell("connected", "", { peer, subprotocol }));
  assert.doesNotMatch(line, /s3cret/);
  assert.match(line, /a\.example/);
});
