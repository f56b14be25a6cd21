import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

/** The built command, as users run it. */
const COMMAND = fileURLToPath(new URL("../packages/zocalo/dist/bin.js", import.meta.url));

/** Where a server listens. */
export interface Ports {
  readonly http: number;
  readonly tcp: number;
  readonly udp: number;
  /** Of games; absent where there are none. */
  readonly lanes?: number | undefined;
}

/** How a server process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How the process is started. */
export interface StartOptions {
  readonly environment?: Record<string, string>;
  /** A command, and its arguments, that starts what stands behind it. */
  readonly under?: readonly string[];
  /** Kills it. */
  readonly signal?: AbortSignal;
}

/** `zocalo serve` as a process of its own, on ports that the system chose. */
export class ServerProcess {
  readonly ports: Ports;
  /** Resolves once the process is gone. */
  readonly ended: Promise<Exit>;
  /** Set once it is gone. */
  ending: Exit | undefined;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #output: Output;

  private constructor(
    child: ChildProcessWithoutNullStreams,
    output: Output,
    ports: Ports,
    ended: Promise<Exit>,
  ) {
    this.#child = child;
    this.#output = output;
    this.ports = ports;
    this.ended = ended;
    void ended.then((ending) => (this.ending = ending));
  }

  /**
   * Starts the built command and reads from its banner where it listens.
   *
   * @param ports the ports of an earlier server, to take its place.
   */
  static async start(
    ports?: Ports,
    args: readonly string[] = [],
    options: StartOptions = {},
  ): Promise<ServerProcess> {
    const { http = 0, tcp = 0, udp = 0, lanes = 0 } = ports ?? {};
    const doors = { "--http-port": http, "--tcp-port": tcp, "--udp-port": udp, "--lane-port": lanes };
    const places = Object.entries(doors).flatMap(([flag, port]) => [flag, String(port)]);
    const child = spawnServer([...places, ...args], options);
    const output = new Output(child);
    const ended = endingOf(child);
    const isUp = output.until(/stops it\./);
    const early = await Promise.race([isUp.then(() => undefined), ended]);
    if (early !== undefined) throw new Error(`the server ended: ${JSON.stringify(early)}\n${output.stderr}`);
    try {
      const found = {
        http: portIn(output.stdout, /http:\/\/localhost:(\d+)\//),
        tcp: portIn(output.stdout, /TCP +localhost:(\d+)/),
        udp: portIn(output.stdout, /UDP +localhost:(\d+)/),
        ...(/^ *Lanes /m.test(output.stdout) && { lanes: portIn(output.stdout, /Lanes +localhost:(\d+)/) }),
      };
      return new ServerProcess(child, output, found, ended);
    } catch (error) {
      child.kill("SIGKILL"); // nobody else would, and the test would never end
      throw error;
    }
  }

  get stderr(): string {
    return this.#output.stderr;
  }

  /** Only sends a signal. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(signal);
    return this.ended;
  }

  /** Resident memory at most since it started, in bytes (Linux). */
  peakMemory(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
  }
}

/** Runs `zocalo serve` to its end. */
export async function runServer(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawnServer(args, { environment });
  const output = new Output(child);
  const [code, signal] = (await once(child, "close")) as [Exit["code"], Exit["signal"]];
  return { code, signal, stdout: output.stdout, stderr: output.stderr };
}

function spawnServer(args: readonly string[], { environment = {}, under = [], signal }: StartOptions) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:ZOCALO_|NODE_)/.test(name));
  const [program = process.execPath, ...given] = [...under, process.execPath, COMMAND, "serve", ...args];
  const child = spawn(program, given, {
    ...(signal === undefined ? {} : { signal, killSignal: "SIGKILL" }),
    // Where no zocalo.config.json lies about.
    cwd: tmpdir(),
    // No two of them may keep channels in one directory; who wants them kept says where.
    env: { ...Object.fromEntries(inherited), ZOCALO_ENGINE: "memory", ...environment },
  });
  child.on("error", () => undefined); // It was killed by its signal: its end is told.
  return child;
}

function endingOf(child: ChildProcessWithoutNullStreams): Promise<Exit> {
  return new Promise((resolve, reject) => {
    // Who is killed by its signal has still to end.
    child.on("error", (error) => error.name !== "AbortError" && reject(error));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
}

class Output {
  stdout = "";
  stderr = "";
  readonly #child: ChildProcessWithoutNullStreams;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stdout)) await once(this.#child.stdout, "data");
  }
}

function portIn(banner: string, pattern: RegExp): number {
  const port = Number(pattern.exec(banner)?.[1]);
  if (!(port > 0)) throw new Error(`no port for ${pattern} in the banner:\n${banner}`);
  return port;
}
