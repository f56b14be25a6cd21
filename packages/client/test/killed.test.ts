// A Node process with a file store, killed by SIGKILL while there is no server.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { begin } from "./begin.ts";
import { fileStore } from "../src/node/index.ts";

const CHANNEL = "plaza:heat";
const source = (path: string) => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

const PROGRAM = `
import { connect } from ${JSON.stringify(source("index.ts"))};
import { fileStore } from ${JSON.stringify(source("node/index.ts"))};
const dial = async () => { throw new Error("nobody is there"); };
const store = fileStore(process.env.OUTBOX);
const session = connect("nobody:", { dial, keep: { store, left() {} } });
for (let number = 1; ; number++) {
  await new Promise((kept) => {
    session.channel(${JSON.stringify(CHANNEL)}).publish(number, { kept });
  });
  console.log(number);
}`;

test("what a process was told to be kept when it was killed is sent by the next one, once and in order", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-killed-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "outbox.jsonl");
  let kept = 0;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, [...process.execArgv, "--input-type=module", "-e", PROGRAM], {
      env: { ...process.env, OUTBOX: file, NODE_TEST_CONTEXT: undefined },
      stdio: ["ignore", "pipe", "inherit"],
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => (kept += text.match(/\n/g)?.length ?? 0));
    const enough = kept + 20;
    while (kept < enough) await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "close");
  }
  const left: Promise<unknown>[] = [];
  const { server, session } = begin({
    keep: { store: fileStore(file), left: ({ published }) => left.push(published) },
  });
  await session.channel(CHANNEL).publish(0);
  await Promise.all(left);
  const numbers = server.log(CHANNEL).publications.map(({ data }) => data as number);
  // One more each time may have been on disk, and not said to be.
  assert.ok(numbers.length - 1 >= kept && numbers.length - 1 <= kept + 3, `${numbers.length} of ${kept}`);
  assert.equal(numbers.pop(), 0);
  assert.equal(numbers.filter((number) => number === 1).length, 3);
  for (const [index, number] of numbers.entries()) {
    assert.ok(number === 1 || number === (numbers[index - 1] ?? 0) + 1, `${number} at ${index}`);
  }
  await session.close();
});
