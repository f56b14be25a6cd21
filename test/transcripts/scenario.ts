// What the clients of a recording do: each command, each answer and each push that can be had in order.
import { BAD_TOKEN } from "./server.ts";
import type { Recorder } from "./recorder.ts";

/** What the server is set up with while it is recorded. */
export const NAMESPACES = {
  plaza: { subscribe: "anyone", publish: "anyone", presence: true },
  short: { subscribe: "anyone", publish: "anyone", history: { publications: 2 }, maxDataLength: 200 },
  news: { subscribe: "anyone" },
  doc: { subscribe: "anyone", publish: "anyone", data: "bytes" },
} as const;

/** JSON that a parser in between would not keep. */
const ODD = '{"n":1688888483063664642,"z":-0,"b":1e400,"a":1,"a":2,"s":"\\ud800é\\u00e9"}';

/** Has the clients do all that is to be recorded. */
export async function play(at: Recorder): Promise<void> {
  const isDatagram = at.transport === "udp";
  const square = { channel: "plaza:square" } as const;

  // Ana says who she is, in a version that this server does not speak, and then in one that it does.
  await at.ask("ana", { type: "connect", version: 4_000_000, info: { name: "Ana" } });
  await at.ask("ana", { type: "connect", version: 1, token: "0123456789abcdef", info: { name: "Ana" } });
  await at.ask("ana", { type: "connect", version: 1 });
  await at.ask("ana", { type: "ping" });
  const begun = await at.ask("ana", { type: "subscribe", ...square, presence: true });
  const epoch = "epoch" in begun ? begun.epoch : "";
  if (!isDatagram) await at.ask("ana", { type: "subscribe", ...square });

  // Tina says nothing of herself: she is a guest. On datagrams a session begins with `connect` all the same.
  if (isDatagram) await at.ask("tina", { type: "connect" });
  await at.ask("tina", { type: "subscribe", ...square, last: 10 });
  await at.ask("ana", { type: "ping" });
  await at.ask("tina", { type: "publish", ...square, data: { text: "¿qué tal?" }, key: "k1" });
  await at.ask("ana", { type: "ping" });
  await at.ask("tina", { type: "publish", ...square, data: { text: "again" }, key: "k1" });
  await at.tell("ana", `{"type":"publish","id":900,"channel":"plaza:square","data":${ODD}}`);
  await at.hear("ana");
  await at.hear("ana");
  await at.ask("tina", { type: "ping" });
  await at.ask("tina", { type: "unsubscribe", ...square });
  await at.ask("ana", { type: "ping" });
  await at.ask("ana", { type: "history", ...square, limit: 10 });
  await at.ask("ana", { type: "history", ...square, before: 2 });
  await at.ask("tina", { type: "presence", ...square });

  // She comes back: nothing is missing, too much is, and the log is another.
  const since = { epoch, offset: 1 };
  await at.ask("tina", { type: "subscribe", ...square, since });
  await at.ask("tina", { type: "ping" });
  await at.ask("tina", { type: "unsubscribe", ...square });
  await at.ask("tina", { type: "subscribe", ...square, since: { epoch: "of-old", offset: 7 } });
  await at.ask("tina", { type: "ping" });
  const first = await at.ask("tina", { type: "subscribe", channel: "short:x" });
  await at.ask("tina", { type: "unsubscribe", channel: "short:x" });
  for (const data of [1, 2, 3, 4]) await at.ask("ana", { type: "publish", channel: "short:x", data });
  const shortSince = { epoch: "epoch" in first ? first.epoch : "", offset: 0 };
  await at.ask("tina", { type: "subscribe", channel: "short:x", since: shortSince });
  await at.ask("tina", { type: "ping" });

  // Bytes, which are base64 in JSON.
  await at.ask("ana", { type: "subscribe", channel: "doc:x" });
  for (const [id, base64] of [
    [910, "AP+A"],
    [911, ""],
  ] as const) {
    await at.tell(
      "tina",
      `{"type":"publish","id":${id},"channel":"doc:x","bytes":"${base64}","key":"b${id}"}`,
    );
    await at.hear("tina");
    await at.hear("ana");
  }
  await at.ask("tina", { type: "history", channel: "doc:x" });
  await at.ask("tina", { type: "publish", channel: "doc:x", data: 1 });

  // Changes of presence come together, where that is asked for.
  await at.ask("ana", { type: "subscribe", channel: "plaza:crowd", presence: true, gather: true });
  await at.ask("tina", { type: "subscribe", channel: "plaza:crowd" });
  await at.hear("ana");

  // What is refused.
  const isBinary = at.transport === "binary";
  if (isBinary)
    at.tellBytes("tina", Buffer.from("8703028700", "hex")); // a number in too many bytes
  else await at.tell("tina", "not JSON");
  await at.hear("tina");
  if (isBinary)
    at.tellBytes("tina", Buffer.from("bf03028507", "hex")); // a type that is not there
  else await at.tell("tina", '{"type":"sing","id":901}');
  await at.hear("tina");
  await at.tell("tina", '{"type":"subscribe","id":902,"channel":"no such name"}');
  await at.hear("tina");
  await at.ask("tina", { type: "subscribe", channel: "nowhere:x" });
  await at.ask("tina", { type: "unsubscribe", channel: "news:x" });
  await at.ask("tina", { type: "publish", channel: "news:x", data: null });
  await at.ask("tina", { type: "publish", channel: "short:x", data: "x".repeat(199) });

  // Eve has a token that is not accepted, and on a stream speaks HTTP.
  await at.tell("eve", `{"type":"connect","version":1,"id":903,"token":"${BAD_TOKEN}"}`);
  if (isDatagram) await at.hear("eve");
  else await at.hearTheEnd("eve");
  if (at.transport === "tcp") {
    await at.tell("page", "POST / HTTP/1.1\r");
    await at.hearTheEnd("page");
  }

  await at.leave("tina");
  if (!isDatagram) await at.hear("ana"); // Tina's leave
  await at.leave("ana");
}
