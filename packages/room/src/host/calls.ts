import { createHash } from "node:crypto";
import { type CallContext, CallError, type CallHandler, type Hub } from "@zocalo/hub";
import { hostOf, type Peer } from "@zocalo/net";
import type { Data, Json } from "@zocalo/protocol";
import * as wire from "../contracts/wire.ts";
import { BestLane } from "../lanes/best-lane.ts";
import { SessionLanes } from "../lanes/session-lane.ts";
import type { RoomDefinition } from "../match/definition.ts";
import type { Directory, Found } from "./directory.ts";
import type { Settings } from "./options.ts";
import type { Newcomer, Participant } from "./participant.ts";
import type { RoomRegistry } from "./registry.ts";
import { readJoin, readKick, readLane } from "./requests.ts";
import type { RunningRoom } from "./running-room.ts";

/** What calls are answered with. */
export interface RoomCallsParts {
  /** The name of this process. */
  readonly process: string;
  readonly settings: Settings;
  readonly report: (error: unknown) => void;
  readonly registry: RoomRegistry;
  readonly directory: Directory;
}

/** The calls by which players come, go and speak. */
export class RoomCalls {
  readonly #parts: RoomCallsParts;
  readonly #registry: RoomRegistry;
  readonly #directory: Directory;
  readonly #lanes: SessionLanes;
  readonly #stops: readonly (() => void)[];

  constructor(hub: Hub, parts: RoomCallsParts) {
    const { registry, directory, report } = parts;
    this.#parts = parts;
    this.#registry = registry;
    this.#directory = directory;
    this.#lanes = new SessionLanes(hub, { onError: report });
    const handlers: readonly (readonly [string, CallHandler])[] = [
      [wire.JOIN, (context, data) => this.#join(context, data)],
      [wire.LANE, (context, data) => this.#lane(context, data)],
      [wire.LEAVE, (context) => this.#leave(context)],
      [wire.KICK, (context, data) => this.#kick(context, data)],
      [wire.STATS, (context) => this.#stats(context)],
      [wire.EVENT, (context, data) => this.#event(context, data)],
      [wire.RECORDING, (context) => this.#recording(context)],
    ];
    this.#stops = handlers.map(([method, handler]) => hub.handle(method, handler));
  }

  /**
   * Gives somebody a place, to which they come with their key.
   *
   * @throws CallError
   */
  reserve(room: RunningRoom, who: Newcomer, host: string): Participant {
    const participant = this.#admit(room, who, false, host);
    participant.isReserved = true;
    return participant;
  }

  /** The room in which a place is kept for who has this key and has not come yet. */
  reservedFor(keyHash: string, mode: string): RunningRoom | undefined {
    const found = this.#directory.byKey(keyHash);
    if (found === undefined || !found.participant.isReserved || found.room.isOver) return undefined;
    return found.room.match.mode === mode ? found.room : undefined;
  }

  /** Where a room is, for who is to join it. */
  whereabouts(): { readonly process: string; readonly address?: string } {
    const { process, settings } = this.#parts;
    return { process, ...(settings.address === undefined ? {} : { address: settings.address }) };
  }

  checkVersion(mode: string, hash: number): RoomDefinition {
    return checkVersion(this.#registry.definition(mode), mode, hash);
  }

  /** @throws CallError `moving` */
  checkHere(): void {
    if (!this.#registry.isOpen) throw new CallError("moving", "rooms are on their way: ask again");
  }

  hostOf(peer: Peer): string {
    return this.#parts.settings.hostOf?.(peer) ?? hostOf(peer.addr);
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#lanes.close();
  }

  #join(context: CallContext, data: Data | undefined): wire.JoinAnswer {
    this.checkHere();
    const request = readJoin(data);
    if (typeof request === "string") throw new CallError("bad_request", request);
    this.checkVersion(request.mode, request.hash);
    const who: Newcomer = { keyHash: hashOf(request.key), user: context.user, name: request.name };
    const watches = request.watch === true;
    const before = this.#directory.byKey(who.keyHash);
    const isReturn = before !== undefined && isWanted(before, request, watches);
    const found = isReturn ? before : this.#enter(context, request, who, watches);
    const { room, participant } = found;
    // Of a room that was handed over nobody was counted yet.
    participant.holder ??= this.#directory.hold(this.hostOf(context.peer));
    this.#attach(context.session, found, request.incarnation);
    const { outbox } = participant;
    const { match } = room;
    return {
      room: match.id,
      mode: match.mode,
      seat: participant.seat,
      tick: match.tick === 0 ? -1 : match.tick,
      ...this.whereabouts(),
      isPrivate: match.isPrivate,
      isReturn,
      ...(participant.restored === undefined ? {} : { restored: participant.restored }),
      incarnation: participant.incarnation,
      events: { log: outbox.log, number: outbox.rejoin(request.heard) },
    };
  }

  #enter(context: CallContext, request: wire.JoinRequest, who: Newcomer, watches: boolean): Found {
    const { mode, create, room: id } = request;
    const host = this.hostOf(context.peer);
    let room: RunningRoom | undefined;
    if (create !== undefined) room = this.#registry.ownRoom(mode, context.user, host, create);
    else room = id === undefined ? this.#registry.anyRoom(mode, who, watches, host) : this.#registry.room(id);
    // Whoever knows an id and not its mode is told what they are told of an id that nobody has.
    if (id !== undefined && create === undefined && room?.match.mode !== mode)
      throw new CallError("no_room", `there is no room ${id} of ${mode}`);
    if (room === undefined) throw new CallError("limit_reached", "there are as many rooms as there may be");
    return { room, participant: this.#admit(room, who, watches, host) };
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

  #attach(session: string, found: Found, incarnation: string | undefined): void {
    const { room, participant } = found;
    this.#directory.attach(session, found);
    participant.lane?.close();
    const lane = new BestLane(this.#lanes.open(session), { onError: this.#parts.report });
    room.attach(participant, session, lane, incarnation);
  }

  async #lane(context: CallContext, data: Data | undefined): Promise<wire.LaneAnswer> {
    const request = readLane(data);
    if (typeof request === "string") throw new CallError("bad_request", request);
    const { participant } = this.#found(context);
    const host = this.hostOf(context.peer);
    const { udp, webRtc } = this.#parts.settings;
    if (request.kind === "udp") {
      const lane = udp?.open(host);
      if (lane === undefined) return null;
      participant.lane?.use(lane);
      return lane.ticket;
    }
    const { lane: before } = participant;
    const opened = await webRtc?.open(request.offer, host);
    if (opened === undefined) return null;
    // Meanwhile somebody may have joined anew, or left.
    if (before === undefined || participant.lane !== before) opened.lane.close();
    else before.use(opened.lane);
    return { answer: opened.answer };
  }

  #leave(context: CallContext): Json {
    const { room, participant } = this.#found(context);
    room.remove(participant, "left");
    return {};
  }

  #kick(context: CallContext, data: Data | undefined): Json {
    const request = readKick(data);
    if (typeof request === "string") throw new CallError("bad_request", request);
    const { room, participant } = this.#found(context);
    if (!room.match.isPrivate || participant.user === "" || participant.user !== room.match.owner)
      throw new CallError("not_allowed", "only who has made a private room may do this");
    const other = room.seating.at(request.seat);
    if (other === undefined || other === participant)
      throw new CallError("bad_request", "nobody else has that seat");
    room.ban(other, "", request.banMs ?? 0);
    return {};
  }

  #stats(context: CallContext): wire.RoomStats {
    const { room } = this.#found(context);
    const { players, watchers } = room.seating.counts;
    const { p99Ms } = room.lateness;
    const latenessP99Ms = Math.round(p99Ms * 100) / 100;
    return { tick: room.match.tick, latenessP99Ms, skipped: room.skipped, players, watchers };
  }

  #event(context: CallContext, data: Data | undefined): Json {
    const { room, participant } = this.#found(context);
    if (data instanceof Uint8Array) throw new CallError("bad_request", "an event is JSON");
    if (participant.watches) throw new CallError("not_allowed", "who watches says nothing");
    if (!room.seating.event(participant, data ?? null))
      throw new CallError("limit_reached", "too many events for one tick");
    return {};
  }

  #recording(context: CallContext): Uint8Array | null {
    const { room } = this.#found(context);
    return room.definition.sharesRecordings === true ? (room.recording ?? null) : null;
  }

  #found({ session }: CallContext): Found {
    this.checkHere(); // What was handed over changes no more.
    const found = this.#directory.bySession(session);
    if (found === undefined) throw new CallError("bad_request", `${wire.JOIN} comes first`);
    return found;
  }
}

/** @throws CallError `no_room`, `other_version` */
function checkVersion(definition: RoomDefinition | undefined, mode: string, hash: number): RoomDefinition {
  if (definition === undefined) throw new CallError("no_room", `there are no rooms of ${mode}`);
  const { game } = definition;
  if (game.layout.hash === hash) return definition;
  throw new CallError("other_version", "this page is of another version: load it again", {
    version: game.version,
  });
}

/** A key is kept nowhere: who reads a store or a dump has no place by it. */
export function hashOf(key: string): string {
  return createHash("sha256").update(key).digest("base64url");
}

/** Whether the place of a key is the one that is asked for. */
function isWanted({ room, participant }: Found, request: wire.JoinRequest, watches: boolean): boolean {
  const { match } = room;
  if (room.isOver || match.mode !== request.mode || participant.watches !== watches) return false;
  return request.create !== undefined || request.room === undefined || request.room === match.id;
}
