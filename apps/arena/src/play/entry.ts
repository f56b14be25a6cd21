import { connect } from "@zocalo/client";
import { binaryDial } from "@zocalo/client/binary";
import { ImpairedLane, join, overWebRtc, type PlayEnd, type RoomTicket } from "@zocalo/room/client";
import { game } from "../game/game.ts";
import { ARENA } from "../game/room.ts";
import { type Reason, REASONS } from "./entry-reason.ts";
import { ChangeableLink, Online } from "./online.ts";

/** Where the server takes sessions: the same host as the page. */
const URL_OF_SESSIONS = "/ws";
/** For so long the page tries to get in, in ms; then it says that it cannot. */
const GIVES_UP_MS = 10_000;
/** The close code of a server that is full, or has as many clients of one address as it takes. */
const TRY_LATER = 1013;

/** How somebody wants in. */
export interface Entry {
  readonly name: string;
  readonly watches?: boolean | undefined;
  /** This room and no other. */
  readonly room?: string | undefined;
  /** Opens a room that is joined by its link alone. */
  readonly isPrivate?: boolean | undefined;
  /** Back to the place that an earlier page had. */
  readonly ticket?: RoomTicket | undefined;
}

/** There is no match, for a reason. */
export class EntryError extends Error {
  override readonly name = "EntryError";
  readonly reason: Reason;

  constructor(reason: Reason, cause: unknown) {
    super(`no match: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** A match does not wait: whoever lost the connection tries sooner than the SDK does by itself. */
const BACKOFF = { baseMs: 250, maxMs: 2_000 };

/**
 * Takes a place in a match of the server.
 *
 * @param onEnd told once if the place is lost later, unless it was left.
 * @throws EntryError
 */
export async function enter(entry: Entry, onEnd: (reason: Reason) => void): Promise<Online> {
  const { name, watches: watch, room, isPrivate, ticket } = entry;
  const session = connect(URL_OF_SESSIONS, { dial: binaryDial(), backoff: BACKOFF });
  const link = new ChangeableLink();
  const tries = new AbortController();
  const giveUp = (reason: Reason, cause?: unknown): void => tries.abort(new EntryError(reason, cause));
  const timer = setTimeout(giveUp, GIVES_UP_MS, "unreachable");
  const stop = session.onState((state) => {
    if (state.name !== "waiting") return;
    giveUp(state.cause.closeCode === TRY_LATER ? "busy" : "unreachable", state.cause);
  });
  try {
    const play = await join(session, game, {
      mode: ARENA,
      name,
      watch,
      room,
      ticket,
      create: isPrivate === true ? { isPrivate } : undefined,
      signal: tries.signal,
      lane: (over, means) => new ImpairedLane(overWebRtc(over, means), link.models, means.clock),
      onEnd: (end) => {
        if (end.reason === "left") return;
        void session.close();
        onEnd(reasonOf(end));
      },
    });
    return new Online(session, play, link);
  } catch (error) {
    void session.close();
    throw error instanceof EntryError ? error : new EntryError(reasonOf(Object(error)), error);
  } finally {
    stop();
    clearTimeout(timer);
  }
}

function reasonOf({
  reason,
  code,
}: {
  readonly reason?: PlayEnd["reason"];
  readonly code?: unknown;
}): Reason {
  const told = reason ?? code;
  return REASONS.find((one) => one === told) ?? (told === "session_closed" ? "unreachable" : "failed");
}
