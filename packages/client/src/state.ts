import type { SessionError } from "./error.ts";

/** What a session is doing. */
export type SessionState =
  | {
      readonly name: "connecting";
      /** 1 for the first attempt since there was a connection that lasted. */
      readonly attempt: number;
    }
  | {
      readonly name: "connected";
      /** The user, as the server knows us. */
      readonly user: string;
      /** The name of this connection at the server, which no other has. */
      readonly session: string;
    }
  | {
      readonly name: "waiting";
      /** How many attempts have failed, or 1 after a connection was lost. */
      readonly attempt: number;
      /** When it connects again, in milliseconds of the clock's `uptime`: that of `performance.now()`. */
      readonly retryAt: number;
      /** Why there is no connection. */
      readonly cause: SessionError;
    }
  | {
      readonly name: "closed";
      /** Why, unless `close` was called. */
      readonly cause?: SessionError;
    };
