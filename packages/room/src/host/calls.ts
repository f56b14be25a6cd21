import { type CallContext, CallError, type CallHandler, type Hub } from "@zocalo/hub";
import type { Data, Json } from "@zocalo/protocol";
import * as wire from "../contracts/wire.ts";
import { BestLane } from "../lanes/best-lane.ts";
import { SessionLanes } from "../lanes/session-lane.ts";
import { type Admission, hashOf } from "./admission.ts";
import type { Directory, Found } from "./directory.ts";
import type { Settings } from "./options.ts";
import { readJoin, readKick, readLane } from "./requests.ts";

/** What calls are answered with. */
export interface RoomCallsParts {
  readonly settings: Settings;
  readonly report: (error: unknown) => void;
  readonly admission: Admission;
  readonly directory: Directory;
}

/** The calls by which players come, go and speak. */
export class RoomCalls {
  readonly #parts: RoomCallsParts;
  readonly #admission: Admission;
  readonly #directory: Directory;
  readonly #lanes: SessionLanes;
  readonly #stops: readonly (() => void)[];

  constructor(hub: Hub, parts: RoomCallsParts) {
    this.#parts = parts;
    this.#admission = parts.admission;
    this.#directory = parts.directory;
    this.#lanes = new SessionLanes(hub, { onError: parts.report });
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

  close(): void {
    for (const stop of this.#stops) stop();
    this.#lanes.close();
  }

  #join(context: CallContext, data: Data | undefined): wire.JoinAnswer {
    const admission = this.#admission;
    admission.checkHere();
    const request = readJoin(data);
    if (typeof request === "string") throw new CallError("bad_request", request);
    admission.checkVersion(request.mode, request.hash);
    const who = { keyHash: hashOf(request.key), user: context.user, name: request.name };
    const { found, isReturn } = admission.enter(request, who, admission.hostOf(context.peer));
    const { participant } = found;
    this.#attach(context.session, found, request.incarnation);
    const { outbox } = participant;
    const { match } = found.room;
    return {
      room: match.id,
      mode: match.mode,
      seat: participant.seat,
      tick: match.tick === 0 ? -1 : match.tick,
      ...admission.whereabouts(),
      isPrivate: match.isPrivate,
      isReturn,
      ...(participant.restored === undefined ? {} : { restored: participant.restored }),
      incarnation: participant.incarnation,
      events: { log: outbox.log, number: outbox.rejoin(request.heard) },
    };
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
    const host = this.#admission.hostOf(context.peer);
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
    this.#admission.checkHere(); // What was handed over changes no more.
    const found = this.#directory.bySession(session);
    if (found === undefined) throw new CallError("bad_request", `${wire.JOIN} comes first`);
    return found;
  }
}
