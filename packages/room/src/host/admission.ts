import { createHash } from "node:crypto";
import { CallError } from "@zocalo/hub";
import { hostOf, type Peer } from "@zocalo/net";
import type { JoinRequest } from "../contracts/wire.ts";
import type { RoomDefinition } from "../match/definition.ts";
import type { Directory, Found } from "./directory.ts";
import type { Settings } from "./options.ts";
import type { Newcomer, Participant } from "./participant.ts";
import type { RoomRegistry } from "./registry.ts";
import type { RunningRoom } from "./running-room.ts";

/** What an admission works with. */
export interface AdmissionParts {
  /** The name of this process. */
  readonly process: string;
  readonly settings: Settings;
  readonly registry: RoomRegistry;
  readonly directory: Directory;
}

/** Who comes into which room, and who does not: those who join, and those who were matched. */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #registry: RoomRegistry;
  readonly #directory: Directory;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    this.#registry = parts.registry;
    this.#directory = parts.directory;
  }

  /** @throws CallError `moving` */
  checkHere(): void {
    if (!this.#registry.isOpen) throw new CallError("moving", "rooms are on their way: ask again");
  }

  /** @throws CallError `no_room`, `other_version` */
  checkVersion(mode: string, hash: number): RoomDefinition {
    const definition = this.#registry.definition(mode);
    if (definition === undefined) throw new CallError("no_room", `there are no rooms of ${mode}`);
    const { game } = definition;
    if (game.layout.hash === hash) return definition;
    throw new CallError("other_version", "this page is of another version: load it again", {
      version: game.version,
    });
  }

  /** By which address somebody is counted. */
  hostOf(peer: Peer): string {
    return this.#parts.settings.hostOf?.(peer) ?? hostOf(peer.addr);
  }

  /** Where a room is, for who is to join it. */
  whereabouts(): { readonly process: string; readonly address?: string } {
    const { process, settings } = this.#parts;
    return { process, ...(settings.address === undefined ? {} : { address: settings.address }) };
  }

  /**
   * The place that is asked for: the one that the key has, or a new one.
   *
   * @throws CallError
   */
  enter(
    request: JoinRequest,
    who: Newcomer,
    host: string,
  ): { readonly found: Found; readonly isReturn: boolean } {
    const watches = request.watch === true;
    const before = this.#directory.byKey(who.keyHash);
    const isReturn = before !== undefined && isWanted(before, request, watches);
    if (isReturn) {
      // Of a room that was handed over nobody was counted yet.
      before.participant.holder ??= this.#directory.hold(host);
      return { found: before, isReturn };
    }
    const room = this.#roomFor(request, who, watches, host);
    return { found: { room, participant: this.#admit(room, who, watches, host) }, isReturn };
  }

  /**
   * Gives somebody a place, to which they come with their key.
   *
   * @throws CallError
   */
  reserve(room: RunningRoom, who: Newcomer, host: string): void {
    this.#admit(room, who, false, host).isReserved = true;
  }

  /** The room in which a place is kept for who has this key and has not come yet. */
  reservedFor(keyHash: string, mode: string): RunningRoom | undefined {
    const found = this.#directory.byKey(keyHash);
    if (found === undefined || !found.participant.isReserved || found.room.isOver) return undefined;
    return found.room.match.mode === mode ? found.room : undefined;
  }

  #roomFor(request: JoinRequest, who: Newcomer, watches: boolean, host: string): RunningRoom {
    const { mode, create, room: id } = request;
    let room: RunningRoom | undefined;
    if (create !== undefined) room = this.#registry.ownRoom(mode, who.user, host, create);
    else room = id === undefined ? this.#registry.anyRoom(mode, who, watches, host) : this.#registry.room(id);
    // Whoever knows an id and not its mode is told what they are told of an id that nobody has.
    if (id !== undefined && create === undefined && room?.match.mode !== mode)
      throw new CallError("no_room", `there is no room ${id} of ${mode}`);
    if (room === undefined) throw new CallError("limit_reached", "there are as many rooms as there may be");
    return room;
  }

  /** A key has one place: the one it has is given up when there is one here, and kept when there is none. */
  #admit(room: RunningRoom, who: Newcomer, watches: boolean, host: string): Participant {
    const forMs = room.seating.banned(who);
    if (forMs > 0) throw new CallError("banned", "you may not come to this room now", { forMs });
    const before = this.#directory.byKey(who.keyHash);
    const counted = this.#directory.hold(host);
    const holder = counted ?? before?.participant.holder;
    if (holder === undefined)
      throw new CallError("limit_reached", "there are as many places of your address as there may be");
    const participant = room.admit(who, watches, () => {
      if (before === undefined) return;
      // What it was counted by counts on, for the place that takes its stead.
      if (counted === undefined) before.participant.holder = undefined;
      before.room.remove(before.participant, "left");
    });
    if (participant === undefined) {
      if (counted !== undefined) this.#directory.release(counted);
      throw new CallError("full", watches ? "as many watch as may" : "no seat is free");
    }
    participant.holder = holder;
    this.#directory.add(room, participant);
    return participant;
  }
}

/** A key is kept nowhere: who reads a store or a dump has no place by it. */
export function hashOf(key: string): string {
  return createHash("sha256").update(key).digest("base64url");
}

/** Whether the place of a key is the one that is asked for. */
function isWanted({ room, participant }: Found, request: JoinRequest, watches: boolean): boolean {
  const { match } = room;
  if (room.isOver || match.mode !== request.mode || participant.watches !== watches) return false;
  return request.create !== undefined || request.room === undefined || request.room === match.id;
}
