import { defineInterface, dictionary, domString, enforcedUnsignedShort, usvString } from "./web-idl.ts";
import { checkedCloseFrame } from "./whatwg-common.ts";

/** What is said in a Close frame, as `WebSocketStream` takes and gives it. */
export interface WebSocketCloseInfo {
  /** 1000, or 3000 to 4999. Default: none, or 1000 if there is a reason. */
  readonly closeCode?: number | undefined;
  /** At most 123 bytes of UTF-8. Default: none. */
  readonly reason?: string | undefined;
}

let make: (message: string, closeCode: number | null, reason: string, cause: unknown) => WebSocketError;

/**
 * The `WebSocketError` of browsers: what a `WebSocketStream` ends with if not in order. No `NetError`: what
 * failed is the `cause`, a `WebSocketNetError`, if there is one.
 *
 * @example
 * const stream = new WebSocketStream("wss://example.org/ws");
 * const { writable } = await stream.opened;
 * await writable.abort(new WebSocketError("", { closeCode: 3000, reason: "enough" }));
 */
export class WebSocketError extends DOMException {
  #closeCode: number | null;
  #reason: string;

  /** @throws DOMException `InvalidAccessError` and `SyntaxError`, as `WebSocketStream.close` does. */
  constructor(message = "", init: WebSocketCloseInfo = {}) {
    const { closeCode, reason } = readCloseInfo(init);
    super(domString(message), "WebSocketError");
    const frame = checkedCloseFrame(closeCode, reason);
    this.#closeCode = frame?.code ?? null;
    this.#reason = reason;
  }

  /**
   * The code of the Close frame; 1006 if the connection broke without one, `null` if it was never open or
   * nothing was said.
   */
  get closeCode(): number | null {
    return this.#closeCode;
  }

  get reason(): string {
    return this.#reason;
  }

  static {
    make = (message, closeCode, reason, cause) => {
      const error = new WebSocketError(message);
      error.#closeCode = closeCode;
      error.#reason = reason;
      if (cause !== undefined) Object.defineProperty(error, "cause", { value: cause, configurable: true });
      return error;
    };
  }
}
defineInterface(WebSocketError, "WebSocketError");

/** An error with a code that came from the peer, or that only this side may say. */
export function streamError(
  message: string,
  closeCode: number | null,
  reason: string,
  cause: unknown,
): WebSocketError {
  return make(message, closeCode, reason, cause);
}

/** @throws TypeError for what is no `WebSocketCloseInfo`. */
export function readCloseInfo(init: unknown): { closeCode: number | undefined; reason: string } {
  const { closeCode, reason } = dictionary(init);
  return {
    closeCode: closeCode === undefined ? undefined : enforcedUnsignedShort(closeCode),
    reason: reason === undefined ? "" : usvString(reason),
  };
}
