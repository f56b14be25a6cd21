import { printableJson } from "@zocalo/net";
import { EXIT, UserError } from "../exit-code.ts";
import { forPeople } from "../for-people.ts";
import { withoutSecrets } from "../secrets.ts";
import { connect } from "./open.ts";
import type { Flags } from "./flags.ts";
import type { Output } from "./output.ts";
import type { Target } from "./target.ts";

/** How long one address may take where `--timeout` says nothing, in milliseconds. */
const SCAN_TIMEOUT_MS = 10_000;

/**
 * `dial -z`: connects to each target, in turn, and reports which are open. No data is sent; over TLS and WebSocket there is the handshake.
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
    try {
      const link = await connect(target, { ...flags, timeout: flags.timeout ?? SCAN_TIMEOUT_MS }, signal);
      await link.conn.close().catch(() => link.conn.abort()); // It was open, which is all that was asked.
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode === EXIT.usage || signal.aborted) throw error;
      ({ exitCode } = error);
      reason = error.message.replace(/^cannot connect to \S+: /, "");
    }
    const ms = performance.now() - startMs;
    await output.write(Buffer.from(`${report(target.text, ms, reason, isForPeople)}\n`));
  }
  return exitCode;
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
