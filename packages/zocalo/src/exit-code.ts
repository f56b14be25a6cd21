/** What the process's exit code says. */
export const EXIT = {
  /** Did what was asked; for `serve`, stopped by the first SIGINT or SIGTERM. */
  ok: 0,
  /**
   * Could not start, or broke while running: a port is taken, an address is not this machine's, permission is
   * missing.
   */
  failed: 1,
  /** The command line, an environment variable or the configuration file is wrong. Nothing was started. */
  usage: 2,
  /** `listen` and `dial`: `--timeout` has passed. */
  timeout: 3,
  /**
   * `listen` and `dial` were ended by SIGINT; a second one cut the stop of `serve` short (128 + the signal's
   * number).
   */
  interrupted: 130,
  /** The same with SIGTERM. */
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
