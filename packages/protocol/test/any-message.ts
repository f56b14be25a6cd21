// Any command and any server message, for tests of what carries them.
import fc from "fast-check";
import type { Command, JsonObject, ServerMessage } from "../src/index.ts";

const text = fc.string({ unit: "grapheme", maxLength: 20 });
const whole = fc.maxSafeNat();
const channel = fc.stringMatching(/^[a-z]{1,5}(:[a-z.@~/-]{1,6})?$/);
const info = fc
  .dictionary(text, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 })
  .filter((object) => JSON.stringify(object).length <= 1_024) as fc.Arbitrary<JsonObject>;
const data = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.uint8Array({ maxLength: 100 }),
) as fc.Arbitrary<Uint8Array>;
const key = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 64 });
const epoch = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 64 });
const given: { requiredKeys: [] } = { requiredKeys: [] };
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const flag = fc.boolean();
const base = { id, cookie: key, session: key, guest: flag };
const upTo = (min: number) => fc.integer({ min, max: 1_000 });

/** A message of this type: members that it always has, and members that it may have. */
function message(
  type: string,
  always: Record<string, fc.Arbitrary<unknown>>,
  maybe: Record<string, fc.Arbitrary<unknown>> = {},
): fc.Arbitrary<object> {
  return fc
    .tuple(fc.record(always), fc.record(maybe, given))
    .map(([one, other]) => ({ type, ...one, ...other }));
}

/** Any command. */
export const anyCommand = fc.oneof(
  message("connect", {}, { ...base, version: whole, token: text, info, answersPings: flag, key }),
  message("refresh", { token: text }, base),
  message(
    "subscribe",
    { channel },
    {
      ...base,
      since: fc.record({ epoch, offset: whole }),
      last: upTo(0),
      presence: flag,
      gather: flag,
      hidden: flag,
    },
  ),
  message("unsubscribe", { channel }, base),
  message("publish", { channel, data }, { ...base, key }),
  message(
    "call",
    { id, method: channel },
    { cookie: key, session: key, guest: flag, data, deadlineMs: fc.integer({ min: 1 }) },
  ),
  message("cancel", { call: fc.integer({ min: 1 }) }, base),
  message("cast", { channel, data }, { ...base, key }),
  message("cast", { method: channel, data }, base),
  message("history", { channel }, { ...base, before: id, limit: upTo(1) }),
  message("presence", { channel }, { ...base, after: whole, limit: upTo(1) }),
  message("ping", {}, base),
  message("pong", {}, base),
) as fc.Arbitrary<Command>;

const users = fc.array(
  fc
    .tuple(fc.record({ user: text, connections: whole }), fc.record({ info }, given))
    .map(([one, other]) => ({ ...one, ...other })),
  { maxLength: 4 },
);
const page = fc
  .tuple(fc.record({ version: whole, total: whole, users }), fc.record({ next: whole }, given))
  .map(([one, other]) => ({ ...one, ...other }));
const to = { id, session: text, user: text };
const change = fc.constantFrom("join", "leave").chain((type) => message(type, { user: text }, { info }));
const entry = (content: fc.Arbitrary<unknown>) => ({ offset: whole, at: whole, user: text, data: content });
/** A channel may have both, where its namespace was of JSON before. */
const entries = fc.array(
  fc.tuple(fc.record(entry(data)), fc.record({ info }, given)).map(([one, other]) => ({ ...one, ...other })),
  { maxLength: 4 },
);
const range = { from: whole, to: whole };
const isTrue = fc.constant(true);

/** Any server message. */
export const anyServerMessage = fc.oneof(
  message(
    "connected",
    {
      version: whole,
      server: text,
      session: text,
      user: text,
      pingMs: whole,
      commandBytes: whole,
      commandsPerSecond: whole,
      commandBurst: whole,
    },
    { id, info, expiresMs: whole, keyMs: whole, sender: text, tokenMs: whole },
  ),
  message("refreshed", {}, { ...to, info, tokenMs: whole }),
  message(
    "subscribed",
    { channel, epoch, offset: whole, head: whole, recovered: flag },
    { ...to, reset: isTrue, gap: fc.record(range), presence: page, expiresMs: whole },
  ),
  message("unsubscribed", { channel }, { ...to, code: text, message: text }),
  message("published", { epoch, offset: whole }, { ...to, duplicate: isTrue, cost: whole }),
  message("result", {}, { ...to, data }),
  message("failed", { code: text, message: text }, { ...to, data }),
  message("history", { channel, epoch, head: whole, oldest: whole, publications: entries }, to),
  page.chain((shown) => message("presence", { channel }, to).map((one) => ({ ...one, ...shown }))),
  message("pong", {}, to),
  message("verify", { cookie: text }, { id }),
  message("error", { code: text, message: text }, { ...to, retryMs: whole }),
  message("publication", { channel, ...entry(data) }, { info, epoch, sender: text }),
  message("cast", { channel, user: text, data }, { key, sender: text }),
  message("message", { topic: channel, data }),
  message("gap", { channel, epoch, ...range }, { reset: isTrue }),
  fc
    .constantFrom("join", "leave")
    .chain((type) => message(type, { channel, version: whole, user: text }, { info })),
  message("changes", { channel, version: whole, total: whole, changes: fc.array(change, { maxLength: 4 }) }),
  message("ping", {}),
  message("disconnect", { code: whole, reason: text, reconnect: flag }),
) as fc.Arbitrary<ServerMessage>;
