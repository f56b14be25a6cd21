import { inspect } from "node:util";
import { type Peer, printableLines } from "@zocalo/net";
import { checkCount, checkKind, checkNames, type Names } from "@zocalo/net/transport";
import type { Json } from "@zocalo/protocol";
import type { Layout } from "../contracts/layout.ts";
import type { UdpLanes } from "../lanes/udp-server.ts";
import type { WebRtcLanes } from "../lanes/webrtc-server.ts";
import type { Clock } from "../timing/clock.ts";

/** Options of `Rooms`. */
export interface RoomsOptions {
  /** Lanes of datagrams, which the caller closes after the rooms. Default: none are offered. */
  readonly udp?: UdpLanes | undefined;
  /** Lanes for pages, which the caller closes after the rooms. Default: none are offered. */
  readonly webRtc?: WebRtcLanes | undefined;
  /**
   * By which URL clients reach this process and no other, if there are several: tickets name it, and who
   * comes back connects there. Default: none, clients come back to the URL that they have.
   */
  readonly address?: string | undefined;
  /** At which address somebody is; the same as the hub's. Default: that of `peer.addr`. */
  readonly hostOf?: ((peer: Peer) => string) | undefined;
  /** Most rooms. Default 1,000. */
  readonly maxRooms?: number | undefined;
  /** Most rooms that one user has open by `create`. Default 5. */
  readonly maxRoomsPerOwner?: number | undefined;
  /** Most rooms that were opened from one address (an IPv6 /64 is one), in whatever way. Default 20. */
  readonly maxRoomsPerAddress?: number | undefined;
  /** Most places for one address (an IPv6 /64 is one). Default 100. */
  readonly maxPlacesPerAddress?: number | undefined;
  /** Who has no limit of its own, see `AddressLimitOptions`. Default: this machine, `localAddresses`. */
  readonly exemptAddresses?: readonly string[] | undefined;
  /** Most rooms that are recorded at a time, each up to its `maxRecordingBytes`, twice. Default 64. */
  readonly maxRecordings?: number | undefined;
  /** How often each room is kept, in milliseconds: after a crash at most so much is lost. Default 5,000. */
  readonly checkpointMs?: number | undefined;
  /** Is told what games throw, and what cannot be kept; no other room ends by it. Default: it is printed. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Milliseconds since the Unix epoch, for what another process has to compare. Default `Date.now`. */
  readonly wall?: (() => number) | undefined;
}

/** Used where `RoomsOptions` leaves a field out. */
export const defaultRoomsOptions = {
  maxRooms: 1_000,
  maxRoomsPerOwner: 5,
  maxRoomsPerAddress: 20,
  maxPlacesPerAddress: 100,
  maxRecordings: 64,
  checkpointMs: 5_000,
} as const satisfies RoomsOptions;

const names: Names<RoomsOptions> = {
  udp: 1,
  webRtc: 1,
  address: 1,
  hostOf: 1,
  maxRooms: 1,
  maxRoomsPerOwner: 1,
  maxRoomsPerAddress: 1,
  maxPlacesPerAddress: 1,
  exemptAddresses: 1,
  maxRecordings: 1,
  checkpointMs: 1,
  onError: 1,
  clock: 1,
  wall: 1,
};

/** How many there are, in all rooms together. */
export interface RoomsStats {
  /** Rooms that are open, with people or without. */
  readonly rooms: number;
  /** People who play. */
  readonly players: number;
  /** Bots that play. */
  readonly bots: number;
  /** People who only watch. */
  readonly watchers: number;
}

/** What `defineRoom` gives, whatever its game. */
export interface RoomMode {
  /** `RoomDefinition.seats`. */
  readonly seats: number;
  /** `RoomDefinition.game`. */
  readonly game: { readonly layout: Layout; readonly ticksPerSecond: number };
}

/** With what a room is made. */
export interface CreateOptions {
  /** Not in the list, and its id cannot be guessed. Default false. */
  readonly isPrivate?: boolean;
  /** The game's own, `Room.options`. Default null. */
  readonly options?: Json;
  /** Whose it is. Default nobody's. */
  readonly owner?: string;
}

/** The machine's. */
export const systemClock: Clock = {
  uptime: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export type Settings = RoomsOptions & { readonly [Name in keyof typeof defaultRoomsOptions]: number };

export function settingsOf(options: RoomsOptions): Settings {
  checkNames("set", "rooms", options, names);
  for (const name of ["hostOf", "onError", "wall"] as const)
    checkKind("set", name, options[name], "function");
  checkKind("set", "address", options.address, "string");
  const settings: { -readonly [Name in keyof typeof defaultRoomsOptions]: number } = {
    ...defaultRoomsOptions,
  };
  for (const name of Object.keys(defaultRoomsOptions) as (keyof typeof defaultRoomsOptions)[]) {
    settings[name] = checkCount("set", name, options[name] ?? defaultRoomsOptions[name], 2 ** 31 - 1);
  }
  return { ...options, ...settings };
}

/** Tells `onError`; where there is none, or it throws itself, it is printed. */
export function reporter(onError: ((error: unknown) => void) | undefined): (error: unknown) => void {
  const print = (error: unknown): void => console.error(`zocalo rooms: ${printableLines(inspect(error))}`);
  return (error) => {
    try {
      (onError ?? print)(error);
    } catch (fault) {
      print(fault);
      print(error);
    }
  };
}
