import { printableJson } from "@zocalo/net";
import { EXIT, UserError } from "../exit-code.ts";
import { forPeople } from "../for-people.ts";
import { withoutSecrets } from "../secrets.ts";
import { connect } from "./open.ts";
import type { Flags } from "./flags.ts";
import type { Link } from "./link.ts";
import type { Output } from "./output.ts";
import type { Target } from "./target.ts";

/** How long one address may take where `--timeout` says nothing, in milliseconds. */
const SCAN_TIMEOUT_MS = 10_000;
/** How long one that is open may take to close, in milliseconds. */
const CLOSE_MS = 500;

/**
 * `dial -z`: connects to each target, in turn, and reports which are open. No data is sent; over TLS and
 * WebSocket there is the handshake.
 *
 * @returns the exit code: 0 if all are open, else 1, or 3 if any did not answer in time.
 * @throws UserError (exit code 2) for an address or an option that is wrong.
 */
export async function scan(
  targets: readonly Target[],
  flags: Flags,
  output: Output,
  isForPeople: boolean,
  signal: AbortSignal,
): Promise<number> {
  let exitCode: number = EXIT.ok;
  for (const target of targets) {
    const startMs = performance.now();
    let reason: string | undefined;
    let ms: number;
    try {
      const link = await connect(target, { ...flags, timeout: flags.timeout ?? SCAN_TIMEOUT_MS }, signal);
      ms = performance.now() - startMs;
      await closeSoon(link);
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode === EXIT.usage || signal.aborted) throw error;
      ms = performance.now() - startMs;
      exitCode = Math.max(exitCode, error.exitCode);
      reason = error.message.replace(/^cannot connect to \S+: /, "");
    }
    await output.write(Buffer.from(`${report(target.text, ms, reason, isForPeople)}\n`));
  }
  return exitCode;
}

/** Closes in order, but waits for nobody: that it was open is all that was asked. */
async function closeSoon({ conn }: Link): Promise<void> {
  const late = setTimeout(() => conn.abort(), CLOSE_MS);
  await conn.close().catch(() => conn.abort());
  clearTimeout(late);
}

/** One line: in words for a person, as JSON for a program. */
function report(url: string, ms: number, reason: string | undefined, isForPeople: boolean): string {
  if (isForPeople) {
    return forPeople(reason === undefined ? `${url} is open (${ms.toFixed(1)} ms)` : `${url}: ${reason}`);
  }
  const details = {
    url: withoutSecrets(url),
    isOpen: reason === undefined,
    ms: Number(ms.toFixed(3)),
    reason: reason && withoutSecrets(reason),
  };
  return printableJson(JSON.stringify(details));
}
