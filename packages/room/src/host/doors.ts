import { createHash } from "node:crypto";
import { type CallContext, CallError, type CallHandler, type Hub } from "@zocalo/hub";
import { AddressCounts, exemptSet, hostOf, type Peer } from "@zocalo/net";
import type { Data, Json } from "@zocalo/protocol";
import * as wire from "../contracts/wire.ts";
import { BestLane } from "../lanes/best-lane.ts";
import { SessionLanes } from "../lanes/session-lane.ts";
import type { UdpLanes } from "../lanes/udp-server.ts";
import type { WebRtcLanes } from "../lanes/webrtc-server.ts";
import type { EndReason, RoomDefinition } from "../match/definition.ts";
import type { Newcomer, Place } from "./place.ts";
import { readJoin, readKick, readLane } from "./requests.ts";
import type { RunningRoom } from "./running-room.ts";

/** What the doors need of the rooms behind them. */
export interface House {
  readonly process: string;
  readonly address: string | undefined;
  /** False while rooms are taken over, or handed over. */
  isOpen(): boolean;
  readonly udp: UdpLanes | undefined;
  readonly webRtc: WebRtcLanes | undefined;
  readonly hostOf: ((peer: Peer) => string) | undefined;
  readonly exemptAddresses: readonly string[] | undefined;
  readonly maxPlacesPerAddress: number;
  definition(mode: string): RoomDefinition | undefined;
  room(id: string): RunningRoom | undefined;
  /** One with a seat for somebody at `host` who may come, the fullest first; a new one if there is none. */
  anyRoom(mode: string, who: Newcomer, watches: boolean, host: string): RunningRoom | undefined;
  /** One for people who were matched; `undefined` past the limit of rooms, or of this address. */
  newRoom(mode: string, host: string): RunningRoom | undefined;
  /** Rooms of a mode that anybody may join. */
  openRooms(mode: string): Iterable<RunningRoom>;
  /** A room of a player's own; `undefined` past the limit of rooms, or of theirs. */
  ownRoom(mode: string, owner: string, host: string, creation: wire.RoomCreation): RunningRoom | undefined;
  report(error: unknown): void;
}

/** A place, and where it is. */
interface Found {
  readonly room: RunningRoom;
  readonly place: Place;
}

/** The calls by which players come, go and speak. */
export class Doors {
  readonly #hub: Hub;
  readonly #house: House;
  readonly #lanes: SessionLanes;
  readonly #perAddress: AddressCounts;
  readonly #byKey = new Map<string, Found>();
  readonly #bySession = new Map<string, Found>();
  readonly #stops: (() => void)[];

  constructor(hub: Hub, house: House) {
    this.#hub = hub;
    this.#house = house;
    this.#lanes = new SessionLanes(hub, { onError: (error) => house.report(error) });
    this.#perAddress = new AddressCounts(house.maxPlacesPerAddress, exemptSet(house.exemptAddresses));
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

  /** A place that was not taken here: of a room that was restored, or for somebody who was matched. */
  know(room: RunningRoom, place: Place): void {
    this.#byKey.set(place.keyHash, { room, place });
  }

  /**
   * Gives somebody a place, to which they come with their key, instead of the one it has.
   *
   * @throws CallError
   */
  reserve(room: RunningRoom, who: Newcomer, host: string): Place {
    const found = this.#byKey.get(who.keyHash);
    if (found !== undefined) found.room.remove(found.place, "left");
    const place = this.#admit(room, who, false, host);
    place.isReserved = true;
    return place;
  }

  /** The room in which a place is kept for who has this key and has not come yet. */
  reservedFor(keyHash: string, mode: string): RunningRoom | undefined {
    const found = this.#byKey.get(keyHash);
    if (found === undefined || !found.place.isReserved || found.room.isOver) return undefined;
    return found.room.match.mode === mode ? found.room : undefined;
  }

  /** Says something to who has a place. @returns false if it was not taken */
  send(place: Place, topic: string, data: Json): boolean {
    if (place.session === "") return false;
    return this.#hub.send({ session: place.session }, topic, data).sent > 0;
  }

  /** A place is gone. */
  ended(place: Place, reason: EndReason, text: string): void {
    if (place.holder !== undefined) this.#perAddress.release(place.holder);
    if (this.#byKey.get(place.keyHash)?.place === place) this.#byKey.delete(place.keyHash);
    if (this.#bySession.get(place.session)?.place === place) this.#bySession.delete(place.session);
    if (reason === "left") return;
    const told = { reason: reason === "failed" ? "closed" : reason } as const satisfies wire.EndedMessage;
    this.send(place, wire.ENDED, text === "" ? told : { ...told, text });
  }

  checkVersion(mode: string, hash: number): RoomDefinition {
    return checkVersion(this.#house.definition(mode), mode, hash);
  }

  /** @throws CallError `moving` */
  checkHere(): void {
    if (!this.#house.isOpen()) throw new CallError("moving", "rooms are on their way: ask again");
  }

  hostOf(peer: Peer): string {
    return this.#house.hostOf?.(peer) ?? hostOf(peer.addr);
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#lanes.close();
  }

  #join(context: CallContext, data: Data | undefined): wire.JoinAnswer {
    const house = this.#house;
    this.checkHere();
    const request = readJoin(data);
    if (typeof request === "string") throw new CallError("bad_request", request);
    this.checkVersion(request.mode, request.hash);
    const who: Newcomer = { keyHash: hashOf(request.key), user: context.user, name: request.name };
    const watches = request.watch === true;
    let found = this.#byKey.get(who.keyHash);
    const isReturn = found !== undefined && isWanted(found, request, watches);
    if (found === undefined || !isReturn) {
      if (found !== undefined) found.room.remove(found.place, "left");
      found = this.#enter(context, request, who, watches);
    }
    const { room, place } = found;
    // Of a room that was handed over nobody was counted yet.
    place.holder ??= this.#perAddress.take(this.hostOf(context.peer));
    this.#attach(context.session, found, request.incarnation);
    const { match } = room;
    return {
      room: match.id,
      mode: match.mode,
      seat: place.seat,
      tick: match.tick === 0 ? -1 : match.tick,
      process: house.process,
      ...(house.address === undefined ? {} : { address: house.address }),
      isPrivate: match.isPrivate,
      isReturn,
      ...(place.restored === undefined ? {} : { restored: place.restored }),
      incarnation: place.incarnation,
    };
  }

  #enter(context: CallContext, request: wire.JoinRequest, who: Newcomer, watches: boolean): Found {
    const { mode, create, room: id } = request;
    const host = this.hostOf(context.peer);
    let room: RunningRoom | undefined;
    if (create !== undefined) room = this.#house.ownRoom(mode, context.user, host, create);
    else room = id === undefined ? this.#house.anyRoom(mode, who, watches, host) : this.#house.room(id);
    // Whoever knows an id and not its mode is told what they are told of an id that nobody has.
    if (id !== undefined && create === undefined && room?.match.mode !== mode)
      throw new CallError("no_room", `there is no room ${id} of ${mode}`);
    if (room === undefined) throw new CallError("limit_reached", "there are as many rooms as there may be");
    return { room, place: this.#admit(room, who, watches, host) };
  }

  #admit(room: RunningRoom, who: Newcomer, watches: boolean, host: string): Place {
    const forMs = room.seating.banned(who);
    if (forMs > 0) throw new CallError("banned", "you may not come to this room now", { forMs });
    const holder = this.#perAddress.take(host);
    if (holder === undefined)
      throw new CallError("limit_reached", "there are as many places of your address as there may be");
    const place = room.admit(who, watches);
    if (place === undefined) {
      this.#perAddress.release(holder);
      throw new CallError("full", watches ? "as many watch as may" : "no seat is free");
    }
    place.holder = holder;
    this.know(room, place);
    return place;
  }

  /** A session has one place at a time, and a place one session. */
  #attach(session: string, found: Found, incarnation: string | undefined): void {
    const { room, place } = found;
    const other = this.#bySession.get(session);
    if (other !== undefined && other.place !== place) other.room.remove(other.place, "left");
    if (place.session !== "" && place.session !== session) {
      const told = { reason: "replaced" } as const satisfies wire.EndedMessage;
      this.#hub.send({ session: place.session }, wire.ENDED, told);
      this.#bySession.delete(place.session);
    }
    place.lane?.close();
    const lane = new BestLane(this.#lanes.open(session), { onError: (error) => this.#house.report(error) });
    this.#bySession.set(session, found);
    room.attach(place, session, lane, incarnation);
  }

  async #lane(context: CallContext, data: Data | undefined): Promise<wire.LaneAnswer> {
    const request = readLane(data);
    if (typeof request === "string") throw new CallError("bad_request", request);
    const { place } = this.#found(context);
    const host = this.hostOf(context.peer);
    const { udp, webRtc } = this.#house;
    if (request.kind === "udp") {
      const lane = udp?.open(host);
      if (lane === undefined) return null;
      place.lane?.use(lane);
      return lane.ticket;
    }
    const { lane: before } = place;
    const opened = await webRtc?.open(request.offer, host);
    if (opened === undefined) return null;
    // Meanwhile somebody may have joined anew, or left.
    if (before === undefined || place.lane !== before) opened.lane.close();
    else before.use(opened.lane);
    return { answer: opened.answer };
  }

  #leave(context: CallContext): Json {
    const { room, place } = this.#found(context);
    room.remove(place, "left");
    return {};
  }

  #kick(context: CallContext, data: Data | undefined): Json {
    const request = readKick(data);
    if (typeof request === "string") throw new CallError("bad_request", request);
    const { room, place } = this.#found(context);
    if (!room.match.isPrivate || place.user === "" || place.user !== room.match.owner)
      throw new CallError("not_allowed", "only who has made a private room may do this");
    const other = room.seating.at(request.seat);
    if (other === undefined || other === place)
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
    const { room, place } = this.#found(context);
    if (data instanceof Uint8Array) throw new CallError("bad_request", "an event is JSON");
    if (place.watches) throw new CallError("not_allowed", "who watches says nothing");
    if (!room.seating.event(place, data ?? null))
      throw new CallError("limit_reached", "too many events for one tick");
    return {};
  }

  #recording(context: CallContext): Uint8Array | null {
    const { room } = this.#found(context);
    return room.definition.sharesRecordings === true ? (room.recording ?? null) : null;
  }

  #found({ session }: CallContext): Found {
    this.checkHere(); // What was handed over changes no more.
    const found = this.#bySession.get(session);
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
function isWanted({ room, place }: Found, request: wire.JoinRequest, watches: boolean): boolean {
  const { match } = room;
  if (room.isOver || match.mode !== request.mode || place.watches !== watches) return false;
  return request.create !== undefined || request.room === undefined || request.room === match.id;
}
