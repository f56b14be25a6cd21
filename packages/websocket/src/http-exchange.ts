import type { ClientRequest } from "node:http";
import { WebSocketError } from "./error.ts";

/** How long to wait, and for whom. */
export interface Patience {
  /** In milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** How one request ends by its own events. */
export interface Ending<T> {
  readonly done: (value: T) => void;
  /** Also drops the request. */
  readonly failed: (error: WebSocketError) => void;
}

/**
 * Waits for what comes of one HTTP request: bounded in time, and cancelled by a signal.
 *
 * @param host for messages.
 * @param begin makes the request and listens to it; it is sent here.
 * @throws WebSocketError through the promise: `handshake_timeout`, `canceled`, `connect_failed`, `handshake_failed` for an answer that is not HTTP,
 *   `invalid_argument` if the request cannot be made.
 */
export function exchangeHttp<T>(
  host: string,
  { timeoutMs, signal }: Patience,
  begin: (ending: Ending<T>) => ClientRequest,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let request: ClientRequest | undefined;
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const failed = (error: WebSocketError): void => {
      settle();
      reject(error);
      request?.destroy();
    };
    const onAbort = (): void =>
      failed(new WebSocketError("canceled", "dialing canceled", { cause: signal?.reason }));
    const timer = setTimeout(() => {
      failed(new WebSocketError("handshake_timeout", `${host} did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      request = begin({
        done: (value) => {
          settle();
          resolve(value);
        },
        failed,
      });
    } catch (cause) {
      failed(new WebSocketError("invalid_argument", `cannot send a request to ${host}`, { cause }));
      return;
    }
    request.on("error", (cause) => {
      const isAnswer = "code" in cause && typeof cause.code === "string" && cause.code.startsWith("HPE_");
      const code = isAnswer ? "handshake_failed" : "connect_failed";
      failed(new WebSocketError(code, `cannot connect to ${host}: ${cause.message}`, { cause }));
    });
    request.end();
  });
}
