export * from "./client.ts";
// Of the two there are, the one that checks: it stands before that of the page.
export { checkGame, defineGame } from "./schema/check.ts";

// The rooms of a server.
export {
  defaultRoomDefinition,
  defineRoom,
  type EndReason,
  type KickOptions,
  type Room,
  type RoomDefinition,
  type Seat,
} from "./match/definition.ts";
export { Rooms } from "./host/rooms.ts";
export {
  type CreateOptions,
  defaultRoomsOptions,
  type RoomMode,
  type RoomsOptions,
  type RoomsStats,
} from "./host/options.ts";
export { roomNamespaces } from "./host/namespaces.ts";
export { type ListedRoom, type ListedRooms } from "./host/list.ts";

// What each seat is shown.
export { area, type AreaOptions } from "./match/area.ts";
export {
  type AnyEntity,
  type AnyGeneral,
  type AnyInterest,
  type AnyRoom,
  type AnySeat,
  both,
  either,
  everyone,
  type GeneralInterest,
  type GeneralMaker,
  type Interest,
  type InterestIn,
  type InterestMaker,
  type InterestRoom,
  type InterestSeat,
  owner,
  team,
} from "./match/interest.ts";

// Recordings.
export { Recording, Replay } from "./match/recording.ts";

// Lanes of a server, and of a program on Node.
export {
  defaultUdpLanesOptions,
  type LaneSocket,
  type UdpLanes,
  udpLanes,
  type UdpLanesOptions,
  type UdpLanesStats,
} from "./lanes/udp-server.ts";
export type { UdpServerLane } from "./lanes/udp-server-lane.ts";
export { dialLane, type DialLaneOptions, overUdp, type UdpClientLane } from "./lanes/udp-client.ts";
export type { LaneCounts } from "./lanes/sealed-lane.ts";
export {
  defaultWebRtcLanesOptions,
  type OpenedWebRtcLane,
  type WebRtcLanes,
  webRtcLanes,
  type WebRtcLanesOptions,
} from "./lanes/webrtc-server.ts";
export { type LaneHub, SessionLanes } from "./lanes/session-lane.ts";
export { type LinkDirection, LinkRelay } from "./lanes/link-relay.ts";

// What rooms are made of, each part for itself.
export { Match, type MatchOptions } from "./match/match.ts";
export type { Command, MatchListener, TickSource, TickWriter } from "./match/commands.ts";
export { type RestoredMatch, restoreMatch, saveMatch } from "./match/checkpoint.ts";
export { RoomViews, type RoomViewsOptions } from "./match/room-views.ts";
export { defaultPastOptions, Past, type PastGame, type PastOptions } from "./match/past.ts";
export {
  defaultMatchQueueOptions,
  type MatchedPlayers,
  MatchQueue,
  type QueuedPlayer,
  type QueueState,
} from "./host/matching/match-queue.ts";
export type { MatchQueueOptions } from "./contracts/matching.ts";
export type { OpenRoom, PlaceSeeker } from "./host/matching/open-rooms.ts";
export { DEFAULT_BUDGET_BYTES, Snapshots } from "./snapshot/snapshots.ts";
export type { ReceiverOptions, SnapshotView } from "./snapshot/snapshots.ts";
export type { Receiver } from "./snapshot/receiver.ts";
export type { TickRows } from "./snapshot/tick-rows.ts";
export {
  type ApplyInput,
  InputBuffer,
  type InputBufferOptions,
  type InputCounts,
  type SavedInputs,
} from "./input/buffer.ts";
export type { Clock } from "./timing/clock.ts";
export { Stagger } from "./timing/stagger.ts";
export { type Lateness, Ticker, type TickerOptions } from "./timing/ticker.ts";
