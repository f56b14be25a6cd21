import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOSE, mayReconnect } from "@zocalo/protocol";
import { BAD_COMMANDS, NORMAL, RATE_LIMITED, TOO_LARGE, UNAUTHORIZED } from "./close-codes.ts";

test("the close codes are those of the protocol, and so are those after which one stays away", () => {
  assert.deepEqual(
    [NORMAL, TOO_LARGE, BAD_COMMANDS, UNAUTHORIZED, RATE_LIMITED],
    [CLOSE.normal, CLOSE.tooLarge, CLOSE.badCommands, CLOSE.unauthorized, CLOSE.rateLimited],
  );
  const { goingAway, incomplete, internal, tryAgainLater, slowConsumer, ...final } = CLOSE;
  assert.deepEqual(Object.values(final).filter(mayReconnect), []);
  for (const code of [goingAway, incomplete, internal, tryAgainLater, slowConsumer, 1006])
    assert.ok(mayReconnect(code), String(code));
});
