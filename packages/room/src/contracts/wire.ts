// What a client and the rooms of a server say to each other over the session: names, and what goes with them.
// Snapshots and inputs go by the lane, as bytes. Everything here is JSON.

/** Calls. Whoever calls before `JOIN` was answered, or after `LEAVE`, is refused with `bad_request`. */
export const JOIN = "room.join"; // JoinRequest -> JoinAnswer
export const LANE = "room.lane"; // LaneRequest -> LaneAnswer
export const LEAVE = "room.leave"; // {} -> {}
export const KICK = "room.kick"; // KickRequest -> {}
export const STATS = "room.stats"; // {} -> RoomStats
export const MATCH = "room.match"; // MatchRequest -> MatchNews; what follows comes as messages
export const RECORDING = "room.recording"; // {} -> bytes of the last recording, or null
export const UNMATCH = "room.unmatch"; // {} -> {}

/** A call of the client with anything, and a message to it. */
export const EVENT = "room.event"; // to a client an EventMessage

/** Messages to a client. What comes by `MATCH` is a `MatchNews`. */
// {}: the process ends, and the match goes on. Join again once connected anew.
export const MOVING = "room.moving";
export const ENDED = "room.ended"; // EndedMessage: the place is gone

/**
 * Takes a place. Whoever joins with a key gets the place that this key has, so a join may be repeated: after
 * a lost answer, a lost connection, a reload, or a restart of the server. Whoever joins another room with it
 * gives the place up once there is one in the other room; a join that is refused leaves it as it was.
 */
export interface JoinRequest {
  /** Which of the server's rooms. */
  readonly mode: string;
  /** `game.layout.hash`: of another one the page must be told to reload. */
  readonly hash: number;
  /** 22 characters of base64url, random and secret. The client makes it once. */
  readonly key: string;
  /** How others see who joins; the first 32 characters of it. */
  readonly name: string;
  /** This room and no other. Default: the one of the key, else any that has a place. */
  readonly room?: string | undefined;
  /** Default false. */
  readonly watch?: boolean | undefined;
  /** Opens a room. */
  readonly create?: RoomCreation | undefined;
  /**
   * The incarnation of which the client still has everything: frames, inputs, time. Where the server has
   * its half, too, it answers the same and both go on; otherwise it answers another one, and both begin
   * anew. Left out by who has nothing, as after a reload: then the server begins anew.
   */
  readonly incarnation?: string | undefined;
  /**
   * Of events the last that the client has heard. Until an answer names the log, 0 of a random one: if the
   * answer to a join is lost, who repeats it is known by that, and told again what came after. Left out, only
   * what waits is told.
   */
  readonly heard?: HeardEvents | undefined;
}

/** What the room says to one participant is numbered, 1 and on, in a log of its own. */
export interface HeardEvents {
  /** The random name of the log. */
  readonly log: string;
  readonly number: number;
}

/** An event of the room. Where its number is not the next one, those between were too many to be kept. */
export interface EventMessage {
  /** As in `HeardEvents`: what is of another one was said in another room, or before a crash. */
  readonly log: string;
  readonly number: number;
  /** The game's own. */
  readonly data: unknown;
}

/** With what a client opens a room. */
export interface RoomCreation {
  /** Not in the list, and only joined by its id. Default false. */
  readonly isPrivate?: boolean | undefined;
  /** The game's own, `Room.options`: JSON. Default null. */
  readonly options?: unknown;
}

/** Which place a client has. */
export interface JoinAnswer {
  /** The id of the room. */
  readonly room: string;
  /** Which of the server's rooms it is. */
  readonly mode: string;
  /** -1: it watches. */
  readonly seat: number;
  /** The last tick that was run; -1 before the first. */
  readonly tick: number;
  /** The random name of the server's process. */
  readonly process: string;
  /** By which URL that process can be reached, if there are several. */
  readonly address?: string | undefined;
  /** The room is in no list. */
  readonly isPrivate: boolean;
  /** The key had this place already. */
  readonly isReturn: boolean;
  /**
   * The place was restored from what another process had kept: `whole`, handed over with nothing lost, or
   * `checkpoint`, as it was at most `RoomsOptions.checkpointMs` before a crash. Said until the client is
   * heard; left out otherwise.
   */
  readonly restored?: "whole" | "checkpoint" | undefined;
  /** Of what both sides remember of each other. See `JoinRequest.incarnation`. */
  readonly incarnation: string;
  /**
   * After which event the client is told on. Of another log than before: it begins anew, as after a crash.
   */
  readonly events: HeardEvents;
}

/**
 * Why a join is refused, as the `code` of a `CallError`.
 * - `other_version`: the page is of another version and must be loaded again; data `{ version }`.
 * - `no_room`: there is no such mode or room.
 * - `full`: no place is free.
 * - `banned`: data `{ forMs }`.
 * - `limit_reached`: of rooms, or of joins.
 * - `failed`: the game threw as it opened a room.
 * - `bad_request`: it is no `JoinRequest`.
 * - `moving`: rooms are on their way from one process to another. Join again after a while, or once connected
 *   anew.
 */
export type JoinRefusal =
  | "other_version"
  | "no_room"
  | "full"
  | "banned"
  | "limit_reached"
  | "failed"
  | "bad_request"
  | "moving";

/** What a client keeps, to come back to its place. **Risk**: who has the key has the place. */
export interface RoomTicket {
  /** 22 characters of base64url: a secret. */
  readonly key: string;
  /** As in a `JoinAnswer`, all that follow. */
  readonly room: string;
  /** The random name of the process that has the place. */
  readonly process: string;
  /** By which URL to connect to that process, if there are several: at another one there is `no_room`. */
  readonly address?: string | undefined;
}

/** Asks for a better lane than the session. */
export type LaneRequest = { readonly kind: "udp" } | { readonly kind: "webrtc"; readonly offer: string };

/** Of `udp` a `LaneTicket`, of `webrtc` the answer to the offer. Null: no such lane, or none is free. */
export type LaneAnswer = LaneTicket | { readonly answer: string } | null;

/**
 * What the reliable side gives a client, so that it can open a lane of datagrams. It is JSON, and a secret:
 * who has it can read the lane and speak in it, so the reliable side has to be encrypted (`wss:`, TLS).
 */
export interface LaneTicket {
  /** Of the format of its datagrams. */
  readonly version: 1;
  /** Names the lane in each datagram: 8 bytes that the server drew, as base64url. */
  readonly id: string;
  /** What the client's datagrams are sealed with: 32 bytes, as base64url. */
  readonly toServer: string;
  /** What the server's are sealed with. */
  readonly toClient: string;
  /** Where to send to: `host:port`, or `:port` for the host by which the client reached the server. */
  readonly address: string;
  /** The lane ends at the server when nothing has come for so long, in milliseconds. */
  readonly lifetimeMs: number;
  /** The longest message, in bytes. */
  readonly maxMessageBytes: number;
}

/** By the owner of a room. */
export interface KickRequest {
  /** Whose, by its number. */
  readonly seat: number;
  /** For how long its key cannot come back, in milliseconds. Default 0. */
  readonly banMs?: number | undefined;
}

/** Why a client has no place any more. */
export interface EndedMessage {
  /**
   * `replaced`: another session has joined with the same key. `idle`: the place was away for too long.
   * `closed`: the room is. `failed`: it is, since its game threw. `kicked` and `banned`: the game or the
   * room's owner put them out.
   */
  readonly reason: "kicked" | "banned" | "closed" | "failed" | "replaced" | "idle";
  /** The game's own words. */
  readonly text?: string | undefined;
}

/** How a room does at the server. */
export interface RoomStats {
  /** The last tick that was run. */
  readonly tick: number;
  /** How late ticks began, in milliseconds: 99 % were not later. */
  readonly latenessP99Ms: number;
  /** How many ticks were left out as it was too late for them. */
  readonly skipped: number;
  /** People who play; bots are none. */
  readonly players: number;
  /** People who only watch. */
  readonly watchers: number;
}

/**
 * Asks for a match. It may be repeated with the same key, which has one place in the queue; who was matched
 * meanwhile is told `found` again.
 */
export interface MatchRequest {
  readonly mode: string;
  readonly key: string;
  readonly name: string;
  readonly skill?: number | undefined;
  /** `game.layout.hash`. */
  readonly hash: number;
}

/** How the search for a match stands. */
export type MatchNews =
  | {
      readonly state: "waiting";
      /** How many wait in this queue, and how many of them are ahead. */
      readonly waiting: number;
      readonly ahead: number;
      /** How long this one has waited, in milliseconds. */
      readonly waitedMs: number;
      /** How many more players a match needs. */
      readonly needed: number;
    }
  /** Join this room with the same key, within 15 seconds. */
  | {
      readonly state: "found";
      readonly room: string;
      /** As in a `JoinAnswer`. */
      readonly process: string;
      readonly address?: string | undefined;
    }
  /** A match was found, and no place could be had in it, for a `JoinRefusal`. */
  | { readonly state: "refused"; readonly code: string };
