// A server and a client as processes, whose clock is set and who are suspended. Run with `server`, which may
// be told how often it pings, with `datagrams`, a server over UDP, or with `client ADDRESS`: it tells its
// states, and asks for a page of history for each line it is given.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect } from "@zocalo/client";
import { Hub } from "@zocalo/hub";
import { dial, lines, listen, listenPacket, peers } from "@zocalo/net";

/** What both stand on; short, so that the tests are. */
export const FIRST_COMMAND_MS = 1_500;
export const PING_MS = 1_000;
export const TIMEOUT_MS = 2_000;

const FAKETIME = "/usr/$LIB/faketime/libfaketime.so.1";

/** The environment of a process whose wall clock is as far off as a file says, or its monotonic one, too. */
export function offsetClock(file: string, isMonotonicOff = false): Record<string, string> {
  return {
    LD_PRELOAD: FAKETIME,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: isMonotonicOff ? "0" : "1",
  };
}

/** What such a file says for so many seconds. */
export function clockOffset(seconds: number): string {
  return `${seconds < 0 ? "" : "+"}${seconds}`;
}

/** One of them, and what it has said. */
export class ClockProgram implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  readonly said: string[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), "zocalo-clock-"));

  /** @param isSettable its wall clock can be set; needs Debian's faketime */
  constructor(args: readonly string[], isSettable = false) {
    const flags = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx")];
    const offset = join(this.#directory, "offset");
    writeFileSync(offset, clockOffset(0));
    this.child = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url), ...args], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...(isSettable ? offsetClock(offset) : {}) },
    });
    this.child.stderr.pipe(process.stderr);
    createInterface(this.child.stdout).on("line", (line) => this.said.push(line));
  }

  /** Sets its wall clock so many seconds off the right time. */
  setWall(seconds: number): void {
    writeFileSync(join(this.#directory, "offset"), clockOffset(seconds));
  }

  /** Waits until it has said so. */
  async says(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.said.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      await once(this.child.stdout, "data");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.child, "close");
    this.child.kill("SIGKILL");
    await closed;
    rmSync(this.#directory, { recursive: true });
  }
}

async function serve(pingMs: number): Promise<void> {
  const hub = new Hub({
    namespaces: { plaza: { subscribe: "anyone", publish: "anyone" } },
    limits: { firstCommandMs: FIRST_COMMAND_MS, pingMs },
  });
  const listener = lines(await listen("tcp", "127.0.0.1:0"));
  console.log(String(listener.addr));
  await hub.serve(listener);
}

async function serveDatagrams(): Promise<void> {
  const hub = new Hub({ namespaces: { plaza: { subscribe: "anyone", publish: "anyone" } } });
  const listener = peers(await listenPacket("udp", "127.0.0.1:0"), { idleTimeoutMs: FIRST_COMMAND_MS });
  console.log(String(listener.addr));
  await hub.serve(listener);
}

function follow(address: string): void {
  const session = connect(address, {
    dial: async (to, options) => lines(await dial("tcp", to, options)),
    timeoutMs: TIMEOUT_MS,
  });
  session.onState(({ name }) => console.log(name));
  createInterface(process.stdin).on("line", () => {
    const answered = session.channel("plaza:a").history();
    answered.then(
      () => console.log("answered"),
      (error: unknown) => console.log(String(error)),
    );
  });
}

const [, program, role, more = ""] = process.argv;
if (program === fileURLToPath(import.meta.url)) {
  if (role === "server") await serve(Number(more) || PING_MS);
  else if (role === "datagrams") await serveDatagrams();
  else follow(more);
}
