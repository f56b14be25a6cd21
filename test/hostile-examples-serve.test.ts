// Every example that listens, with peers that reset, half-close, do not read, and send rubbish.
//
// A program is stopped before it dials or closes, gets its visitors, and then goes on: its own client is the
// peer that behaves. A fragment that serves for ever is asked a word by the test instead. Nothing may end in
// a rejection that no line could have caught.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bundle, dialing, ended, type Example, serving, start } from "./examples/examples.ts";
import { attackDatagrams, attackStream, isAnswered, isServed } from "./examples/hostile-peers.ts";

await bundle(serving);

test("there are examples that serve and examples that dial, among them doc comments", () => {
  const counts = [serving, dialing].map((list) => [
    list.length,
    list.filter(({ isFragment }) => isFragment).length,
  ]);
  for (const [all = 0, fragments = 0] of counts) assert.ok(all > 15 && fragments > 4, JSON.stringify(counts));
});

describe("examples that serve", { concurrency: 2 }, () => {
  for (const example of serving) test(example.place, () => serveStrangers(example));
});

async function serveStrangers(example: Example): Promise<void> {
  const child = start(example, "served", "");
  const exited = ended(child, example);
  exited.catch(() => undefined); // Whoever waits for it below is told.
  const streams: { port?: number; path?: string }[] = [];
  const datagrams: number[] = [];
  await Promise.race([
    exited,
    new Promise<void>((resolve) => {
      child.on(
        "message",
        (message: { listening?: { port: number } | string; bound?: { port: number }; paused?: true }) => {
          const { listening, bound } = message;
          if (typeof listening === "string") streams.push({ path: listening });
          else if (listening !== undefined) streams.push({ port: listening.port });
          if (bound !== undefined) datagrams.push(bound.port);
          if (message.paused === true) resolve();
        },
      );
    }),
  ]);
  assert.ok(streams.length + datagrams.length > 0, `${example.place} listens nowhere before its pause`);
  await Promise.all([
    ...streams.map((target) => attackStream(target as { port: number })),
    ...datagrams.map((port) => attackDatagrams(port)),
  ]);
  if (child.connected) child.send("go on", () => undefined); // If it is gone, `exited` says so.
  if (!example.isFragment || !child.connected) return exited;
  const answers = Promise.all([
    ...streams.map((target) => isServed(target as { port: number })),
    ...datagrams.map((port) => isAnswered(port)),
  ]);
  const served = await Promise.race([answers, exited.then(() => [false])]);
  assert.ok(served.every(Boolean), `${example.place} serves nobody any more`);
  child.kill("SIGKILL");
}
