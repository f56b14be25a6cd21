import type { CloseInfo } from "./message-conn.ts";

/** Longest close reason, in UTF-8 bytes: what a Close frame has room for (RFC 6455 §5.5). */
export const MAX_REASON_BYTES = 123;

/**
 * True if `code` may be given to `close` (RFC 6455 §7.4; registry as of 2024: 1000–1003, 1007–1014,
 * 3000–4999).
 */
export function isSendableCloseCode(code: number): boolean {
  return (
    Number.isInteger(code) &&
    ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999))
  );
}

/**
 * Why `close` cannot be called so, or `undefined`. The same on all transports, also on those that carry no
 * code.
 */
export function closeFault(code: number, reason: string): string | undefined {
  if (!isSendableCloseCode(code)) {
    return `close code ${code} is not one of 1000-1003, 1007-1014, 3000-4999`;
  }
  const bytes = Buffer.byteLength(reason);
  return bytes > MAX_REASON_BYTES
    ? `close reason of ${bytes} bytes is longer than ${MAX_REASON_BYTES}`
    : undefined;
}

/** How a connection ended that broke, or was cut. */
export function brokenInfo(error: Error): CloseInfo {
  return { code: 1006, reason: error.message, wasClean: false, error };
}

/** How a connection ends whose handler threw `error`, or whose handler's promise rejected with it. */
export function handlerFailed(error: unknown): CloseInfo {
  const reason = "handler failed";
  const cause = error instanceof Error ? error : new Error(reason, { cause: error });
  return { code: 1011, reason, wasClean: false, error: cause };
}
