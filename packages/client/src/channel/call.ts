import type { Json } from "@zocalo/protocol";
import type { Clock } from "../primitives/clock.ts";
import { CallError } from "../primitives/error.ts";
import type { CallOptions } from "./channel.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { encodeContent, toContent, unexpected } from "../outbox/publication.ts";

/** How a method is called. */
export interface MethodOptions extends CallOptions {
  /**
   * How long it may take in all, with the wait for a connection, in milliseconds. The server is told what is
   * left of it, and may allow less. Default: `ConnectOptions.timeoutMs`.
   */
  readonly deadlineMs?: number;
}

/** See `Session.call`. */
export async function callMethod<Output = Json>(
  outbox: Outbox,
  clock: Clock,
  method: string,
  input: unknown,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Output> {
  if (!(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw new RangeError(`${method}: a deadline in ${timeoutMs} ms`);
  }
  const content = input === undefined ? "" : `,${encodeContent(toContent(input, method))}`;
  const endsAt = clock.uptime() + timeoutMs;
  const answer = await outbox.request({
    channel: method,
    isOnce: true,
    encode(id) {
      const deadlineMs = Math.max(1, Math.ceil(endsAt - clock.uptime()));
      return `${JSON.stringify({ type: "call", id, method, deadlineMs }).slice(0, -1)}${content}}`;
    },
    timeoutMs,
    signal,
  });
  if (answer.type === "failed") throw new CallError(method, answer);
  if (answer.type !== "result") throw unexpected(answer, method);
  return answer.data as Output;
}
