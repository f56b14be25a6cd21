import { setImmediate as turn } from "node:timers/promises";
import { IntegrityFailure } from "./failure.ts";
import { Decks, Random } from "./random.ts";

/** What repeats a case. It must survive JSON. */
export interface CaseBase {
  /** Which scenario runs it. */
  readonly scenario: string;
  /** Decides what is drawn while it runs. */
  readonly seed: number;
}

/** One family of cases. */
export interface Scenario<C extends CaseBase = CaseBase> {
  readonly name: string;
  /** How many cards it has in the deck that decides which scenario is next. Default 1. */
  readonly weight?: number;
  /**
   * A case of this one hangs that takes so many turns of 100 ms, whatever the run says. For who waits for a process:
   * on a busy machine that has to begin before it has a turn, while this one has all of its own.
   */
  readonly hangLooks?: number;
  draw(decks: Decks): C;
  /** Runs it, and throws if a byte is not where it belongs. */
  run(drawn: C, context: CaseContext): Promise<void>;
  /** Simpler cases, the boldest first. */
  simpler(drawn: C): Iterable<C>;
}

/** What a case gets to run with. */
export interface CaseContext {
  readonly random: Random;
  /** A stream that no other has. */
  stream(): number;
  /** What is undone when the case is over, whether it failed or not. */
  onEnd(undo: () => unknown): void;
  /** Rejects when something fails that nobody waits for. */
  readonly failed: Promise<never>;
  /** Fails the case from a callback. */
  fail(error: unknown): void;
}

/** What a run is asked for. */
export interface RunOptions {
  readonly scenarios: readonly Scenario[];
  readonly seed: number;
  /** Stops after so many cases. */
  readonly cases?: number | undefined;
  /** Stops after this long, in milliseconds. */
  readonly forMs?: number | undefined;
  /** Tells each case before it runs. */
  readonly onCase?: ((drawn: CaseBase) => void) | undefined;
  /** Given, a failure does not end the run: it is told, not shrunk. */
  readonly onFailure?: ((drawn: CaseBase, error: Error) => void) | undefined;
  /** A case hangs that takes so many turns of 100 ms. Default 300. */
  readonly hangLooks?: number | undefined;
  /** `false`: the case that failed is told as it was drawn, at once. Default `true`: simpler ones are tried, which takes up to a minute. */
  readonly shrinks?: boolean | undefined;
}

/** What a run has found. */
export interface RunResult {
  readonly cases: number;
  readonly failure?: FoundFailure;
}

/** A case that failed. */
export interface FoundFailure {
  readonly seed: number;
  readonly original: CaseBase;
  readonly shrunk: CaseBase;
  readonly error: Error;
}

/** A case that makes no progress for so many looks hangs. The event loop has had its turn between two looks, so a busy machine is waited for. */
const HANG_LOOKS = 300;
const LOOK_MS = 100;
/** How long what a failed case has begun may go on. */
const AFTERMATH_MS = 100;
/** While shrinking, what hangs is believed sooner. */
const SHRINK_HANG_LOOKS = 130;
/** Most cases that shrinking tries, and how often each. */
const SHRINK_TRIES = 60;
const SHRINK_REPEATS = 3;
const SHRINK_MS = 60_000;

/** Deals cases from a seed and runs them, one after the other, until one fails or it is enough. */
export async function runCases(options: RunOptions): Promise<RunResult> {
  const decks = new Decks(new Random(options.seed));
  const cards = options.scenarios.flatMap((scenario) =>
    Array.from({ length: scenario.weight ?? 1 }, () => scenario),
  );
  const until = performance.now() + (options.forMs ?? Number.POSITIVE_INFINITY);
  let cases = 0;
  while (cases < (options.cases ?? Number.POSITIVE_INFINITY) && performance.now() < until) {
    const scenario = decks.deal("scenario", cards);
    const drawn = scenario.draw(decks);
    options.onCase?.(drawn);
    cases += 1;
    const error = await runCase(scenario, drawn, options.hangLooks);
    if (error === undefined) continue;
    if (options.onFailure !== undefined) {
      options.onFailure(drawn, error);
      continue;
    }
    const shrunk =
      options.shrinks === false ? { shrunk: drawn, error } : await shrink(scenario, drawn, error);
    return { cases, failure: { seed: options.seed, original: drawn, ...shrunk } };
  }
  return { cases };
}

/** Runs one case. @returns what it has shown to be wrong. */
export async function runCase(
  scenario: Scenario,
  drawn: CaseBase,
  hangLooksOfRun = HANG_LOOKS,
): Promise<Error | undefined> {
  const hangLooks = scenario.hangLooks ?? hangLooksOfRun;
  const random = new Random(drawn.seed);
  const undos: (() => unknown)[] = [];
  let streams = 0;
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  failed.catch(() => undefined); // `runCase` looks at it below.
  const onRejection = (reason: unknown): void => {
    fail(new IntegrityFailure(`unhandled rejection, which ends the process: ${textOf(reason)}`));
  };
  const onException = (error: unknown): void => {
    fail(
      error instanceof IntegrityFailure
        ? error
        : new IntegrityFailure(`uncaught exception: ${textOf(error)}`),
    );
  };
  process.on("unhandledRejection", onRejection);
  process.on("uncaughtException", onException);
  const baseline = openResources();
  const firstStream = 1 + ((drawn.seed * 131) % 60_000) * 200;
  const context: CaseContext = {
    random,
    stream: () => firstStream + streams++,
    onEnd: (undo) => undos.push(undo),
    failed,
    fail,
  };
  const error = await errorOf(async () => {
    const watch = new Watch(hangLooks);
    try {
      await Promise.race([scenario.run(drawn, context), failed, watch.hung("the case hangs")]);
      // What nobody waits for is told after the microtasks.
      for (let i = 0; i < 2; i += 1) await Promise.race([turn(), failed]);
    } finally {
      watch.stop();
    }
  });
  const endError = await errorOf(async () => {
    for (const undo of undos.reverse()) await undo();
    const watch = new Watch(hangLooks);
    const hung = watch.hung("what the case opened does not close");
    while (openResources() > baseline) await Promise.race([nap(1), hung]);
    watch.stop();
    await Promise.race([turn(), failed]);
  });
  // What a failed case has begun goes on a little. It must not be taken for a failure of the next.
  if (error !== undefined || endError !== undefined) await nap(AFTERMATH_MS);
  process.off("unhandledRejection", onRejection);
  process.off("uncaughtException", onException);
  return error ?? endError;
}

async function errorOf(work: () => Promise<void>): Promise<Error | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Looks again and again whether a case still runs. */
class Watch {
  readonly #looks: number;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(looks: number) {
    this.#looks = looks;
  }

  hung(what: string): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.#timer = setInterval(() => {
        this.#count += 1;
        if (this.#count < this.#looks) return;
        this.stop();
        reject(new IntegrityFailure(`${what} (open: ${process.getActiveResourcesInfo().join(", ")})`));
      }, LOOK_MS);
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Tries simpler cases as long as one of them fails too. */
async function shrink(
  scenario: Scenario,
  drawn: CaseBase,
  error: Error,
): Promise<{ shrunk: CaseBase; error: Error }> {
  let found = { shrunk: drawn, error };
  let tries = 0;
  const until = performance.now() + SHRINK_MS;
  for (let isSimpler = true; isSimpler; ) {
    isSimpler = false;
    for (const simpler of scenario.simpler(found.shrunk)) {
      if (tries >= SHRINK_TRIES || performance.now() > until) return found;
      tries += 1;
      let failure: Error | undefined;
      for (let i = 0; i < SHRINK_REPEATS && failure === undefined; i += 1) {
        failure = await runCase(scenario, simpler, SHRINK_HANG_LOOKS);
      }
      if (failure === undefined) continue;
      found = { shrunk: simpler, error: failure };
      isSimpler = true;
      break;
    }
  }
  return found;
}

const COUNTED =
  /^(TCPSocketWrap|PipeWrap|UDPWrap|TLSWrap|ProcessWrap|ConnectWrap|PipeConnectWrap|TCPConnectWrap|ShutdownWrap|WriteWrap)$/;

/** Sockets and calls to the system that are open. */
function openResources(): number {
  return process.getActiveResourcesInfo().filter((name) => COUNTED.test(name)).length;
}

/** A short wait of the driver's own: a peer that is slow, never something a test waits for. */
export function nap(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function textOf(reason: unknown): string {
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
}
