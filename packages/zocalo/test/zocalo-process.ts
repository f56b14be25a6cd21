import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { BUNDLE } from "./zocalo-bundle.ts";

/** `zocalo …` from source, as a process. */
export class Zocalo implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  readonly closed: Promise<unknown>;
  stdout = "";
  stderr = "";

  /**
   * @param environment an `undefined` variable is not set
   * @param maxFiles how many it may have open. Default: as many as this process.
   */
  constructor(
    args: readonly string[],
    environment: Readonly<Record<string, string | undefined>> = {},
    maxFiles?: number,
    cwd = tmpdir(),
  ) {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(?:ZOCALO_|NODE_)/.test(name));
    const few = maxFiles === undefined ? [] : ["sh", "-c", `ulimit -n ${maxFiles} && exec "$0" "$@"`];
    const [program = process.execPath, ...given] = [...few, process.execPath, BUNDLE, ...args];
    this.child = spawn(program, given, {
      cwd,
      // No two of them may keep channels in one directory; who wants them kept says where.
      env: {
        ...Object.fromEntries(inherited),
        ZOCALO_ENGINE: "memory",
        ZOCALO_LANE_PORT: "off",
        ...environment,
      },
    });
    this.child.stdin.on("error", () => undefined);
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.closed = once(this.child, "close");
  }

  /** Waits for a text on one of its outputs. */
  async says(stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match) return match;
      assert.equal(
        this.child.exitCode,
        null,
        `ended without saying ${pattern}: ${this.stdout}${this.stderr}`,
      );
      await Promise.race([once(this.child[stream], "data"), this.closed]);
    }
  }

  async port(stream: "stdout" | "stderr", pattern: RegExp): Promise<number> {
    return Number((await this.says(stream, pattern))[1]);
  }

  async end(): Promise<{ code: number | null; stdout: string; stderr: string }> {
    await this.closed;
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.closed;
  }
}
