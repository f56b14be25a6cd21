import assert from "node:assert/strict";
import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Random } from "@zocalo/integrity";
import { type Conn, dial, type Listener, listen, NetError } from "@zocalo/net";
import type { CrowdedState } from "./faults-crowded.ts";
import { withFewFiles } from "./with-few-files.ts";

const NODE_ARGUMENTS = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx")];

function program(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

async function told<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, "message")) as [T];
  return message;
}

test("64 MiB each way at once, past a slow reader: equal hashes, and memory within the bound", async (t) => {
  for (const network of ["tcp", "unix"]) {
    const args = [...NODE_ARGUMENTS, program("soak-transfer.ts"), "--bytes", "64MiB", "--network", network];
    // Rejects on an exit code that is not 0.
    const { stdout } = await promisify(execFile)(process.execPath, args);
    t.diagnostic(stdout.trim());
    assert.match(stdout, /"areEqual":true/);
  }
});

test("a reset in the middle of a write rejects it, says how much was accepted, and concerns nobody else", async () => {
  const random = new Random(7);
  const bytes = Buffer.alloc(32 * 1024 * 1024, "x"); // More than the buffers of the system hold.
  const listener = await listen("tcp", "127.0.0.1:0");
  const [bystander, echo] = await pairOn(listener);
  echo.serve({ data: (received) => echo.write(received) });
  for (let round = 0; round < 20; round++) {
    const [reader, writer] = await pairOn(listener);
    const cutAfter = round === 0 ? 0 : random.below(4 * 1024 * 1024);
    let isOver = false;
    const writing = writer
      .write(bytes)
      .then(
        () => assert.fail("all of it was accepted"),
        (error: unknown) => error,
      )
      .finally(() => {
        isOver = true;
      });
    for (let received = 0; received < cutAfter; ) received += (await reader.read())?.length ?? 0;
    assert.equal(isOver, false);
    reader.abort();
    const error = await writing;
    assert.ok(error instanceof NetError, String(error));
    assert.ok(["reset", "broken_pipe"].includes(error.code), error.message);
    assert.equal(error.op, "write");
    const { bytesWritten = -1 } = error;
    assert.ok(bytesWritten >= cutAfter && bytesWritten < bytes.length, `${bytesWritten} of ${bytes.length}`);
    await assert.rejects(writer.write(Buffer.from("more")), { code: error.code });
    await bystander.write(Buffer.from(`round ${round}`));
    assert.equal(String(await bystander.readFull(`round ${round}`.length)), `round ${round}`);
    writer.abort();
  }
  bystander.abort();
  await listener.abort();
});

test("a reset while a handler waits for its write ends it once, with the error", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [client, server] = await pairOn(listener);
  const bytes = Buffer.alloc(32 * 1024 * 1024);
  const ends: (Error | undefined)[] = [];
  const closed = new Promise<void>((resolve) => {
    server.serve({
      data: () => server.write(bytes),
      close(error) {
        ends.push(error);
        resolve();
      },
    });
  });
  await client.write(Buffer.from("go"));
  await client.read();
  client.abort();
  await closed;
  await listener.drain(null);
  assert.equal(ends.length, 1);
  const [error] = ends;
  assert.ok(error instanceof NetError, String(error));
  assert.ok(["reset", "broken_pipe"].includes(error.code), error.message);
});

test("10,000 connections opened and closed at once are all served and all forgotten", async (t) => {
  const count = Math.min(10_000, descriptorLimit() - 500);
  t.diagnostic(`${count} connections`);
  const listener = await listen("tcp", "127.0.0.1:0", { backlog: 4096, maxPending: count });
  let closes = 0;
  let opens = 0;
  let allOpen = (): void => undefined;
  const isAllOpen = new Promise<void>((resolve) => {
    allOpen = resolve;
  });
  const accepting = (async () => {
    for await (const conn of listener) {
      opens++;
      if (opens === count) allOpen();
      conn.serve({
        data() {},
        close() {
          closes++;
        },
      });
    }
  })();
  const dialer = fork(program("faults-dialer.ts"), [String(listener.addr), String(count)], {
    execArgv: NODE_ARGUMENTS,
  });
  assert.equal(await told(dialer), "open");
  await isAllOpen; // What is reset before it was accepted would be refused as gone.
  const done = told(dialer);
  dialer.send("close");
  assert.equal(await done, "closed");
  const last = await dial("tcp", String(listener.addr));
  await last.close();
  await listener.drain(null);
  await accepting;
  assert.deepEqual([opens, closes], [count + 1, count + 1]);
});

test("out of descriptors, accepting neither stops nor spins", async (t) => {
  const child = await withFewFiles(t, "faults-crowded.ts", ["ignore", "inherit", "inherit", "ipc"]);
  const { address } = await told<{ address: string }>(child);
  const ask = async (): Promise<CrowdedState> => {
    const answer = told<CrowdedState>(child);
    child.send("how busy?");
    return answer;
  };
  const greeted: Conn[] = [];
  let dials = 0;
  /** True if the server greeted; it keeps a descriptor for each one that it did greet. */
  const visit = async (): Promise<boolean> => {
    dials++;
    const conn = await dial("tcp", address);
    const hello = await conn.readFull(5).catch(() => null);
    if (hello) greeted.push(conn);
    else conn.abort();
    return hello !== null;
  };
  // Until there are none left. Node itself may give one back that it needed for a moment: then it begins
  // anew.
  let full: CrowdedState;
  let refused: number;
  do {
    while (await visit());
    full = await ask();
    for (refused = 0; refused < 50 && !(await visit()); ) refused++;
  } while (refused < 50);
  const refusing = await ask();
  assert.equal(refusing.accepted, full.accepted);
  assert.deepEqual(refusing.ownDial, ["too_many_files", "dial"]);
  // Who spins is busy all the time; who does not may look so once, on a busy machine.
  let idle: CrowdedState;
  let windows = 0;
  do {
    await new Promise((resolve) => setTimeout(resolve, 300));
    idle = await ask();
  } while (idle.utilization >= 0.5 && ++windows < 20);
  t.diagnostic(
    `${dials} dials, ${idle.accepted} accepted, ${idle.failedAccepts} failed accepts told; busy ${share(refusing.utilization)} while refusing 50, ${share(idle.utilization)} afterwards`,
  );
  assert.ok(idle.failedAccepts <= dials, "more failures than connections that could have failed");
  assert.ok(idle.utilization < 0.5, `spins: busy ${share(idle.utilization)} with nothing to do`);
  for (const conn of greeted.splice(0)) conn.abort();
  // The ends are seen a moment later.
  while (!(await visit()));
  for (const conn of greeted) conn.abort();
  const gone = once(child, "exit");
  child.kill();
  await gone;
});

function share(part: number): string {
  return `${Math.round(part * 100)} %`;
}

async function pairOn(listener: Listener<Conn>): Promise<[Conn, Conn]> {
  return Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
}

function descriptorLimit(): number {
  const limits = process.platform === "linux" ? readFileSync("/proc/self/limits", "utf8") : "";
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 2000);
}
