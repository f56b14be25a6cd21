/** What the process's exit code says. */
export const EXIT = {
  /** Did what was asked; for `serve` and `listen`, stopped by the first SIGINT or SIGTERM. */
  ok: 0,
  /** Could not start, or broke while running: a port is taken, an address is not this machine's, permission is missing. */
  failed: 1,
  /** The command line, an environment variable or the configuration file is wrong. Nothing was started. */
  usage: 2,
  /** `listen` and `dial`: nothing came within `--timeout`. */
  timeout: 3,
  /** A second SIGINT cut the stop short (128 + the signal's number). */
  interrupted: 130,
  /** A second SIGTERM cut the stop short. */
  terminated: 143,
} as const;

/** What the user can mend: printed as one sentence, without a stack trace. */
export class UserError extends Error {
  override readonly name = "UserError";
  readonly exitCode: number;

  /**
   * @param message says what is wrong and what to do.
   * @param exitCode 1 by default.
   */
  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
