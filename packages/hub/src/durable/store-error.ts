/**
 * Why a directory cannot be served from:
 *
 * - `in_use`: another engine has it; the message says which process
 * - `newer_format`: a newer release wrote it
 * - `no_sqlite`: this Node has no SQLite
 * - `unusable`: it cannot be made, read or written; `cause` says why
 */
export type StoreErrorCode = "in_use" | "newer_format" | "no_sqlite" | "unusable";

/** A directory of a durable engine cannot be used. Its message is a sentence for whoever runs the server. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
