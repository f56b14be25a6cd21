export type { Acknowledgement } from "./contracts/acknowledgement.ts";
export { RoomError, type RoomErrorCode } from "./contracts/errors.ts";
export type { InputShape } from "./contracts/input-shape.ts";
export type { Cell, KindLayout, Layout } from "./contracts/layout.ts";
export type { Rows } from "./contracts/rows.ts";
export { bool, oneOf, reference, type ReferenceField } from "./schema/choices.ts";
export type { Field } from "./schema/field.ts";
export { checkGame, defineGame } from "./schema/check.ts";
export { type Apply, Game, type GameDefinition } from "./schema/game.ts";
export { angle, int, number, type NumberOptions } from "./schema/numbers.ts";
export { type GivenQuaternion, type Quaternion, quaternion } from "./schema/quaternion.ts";
export { text } from "./schema/text.ts";
export {
  type GivenVector2,
  type GivenVector3,
  type Vector2,
  type Vector3,
  vector,
} from "./schema/vector.ts";
export type {
  EntityMembers,
  EntityOf,
  Fields,
  Frame,
  FrameEntityOf,
  GivenInputOf,
  GivenOf,
  InputOf,
  KindName,
  Kinds,
  World,
  WorldOptions,
} from "./schema/types.ts";
export type {
  SnapshotFault,
  SnapshotLimits,
  SnapshotNews,
  UnusableSnapshot,
} from "./snapshot/reader.ts";
export { SnapshotReader } from "./snapshot/reader.ts";
export type { SnapshotFrame } from "./snapshot/frame.ts";
export type { Receiver } from "./snapshot/receiver.ts";
export type { ReceiverOptions, SnapshotView } from "./snapshot/snapshots.ts";
export { DEFAULT_BUDGET_BYTES, Snapshots } from "./snapshot/snapshots.ts";
export type { TickRows } from "./snapshot/tick-rows.ts";
export { BestLane, type BestLaneOptions, type LaneMeans, type OpenLane } from "./lanes/best-lane.ts";
export { ImpairedLane, type LinkModels } from "./lanes/impaired-lane.ts";
export { type Carrier, type Lane, type LaneState, MAX_MESSAGE_BYTES } from "./lanes/lane.ts";
export { type LinkConditions, type LinkCounts, LinkModel, perfectLink } from "./lanes/link-model.ts";
export { type LinkDirection, LinkRelay } from "./lanes/link-relay.ts";
export type { LaneClock } from "./lanes/running-time.ts";
export type { Fault } from "./lanes/seal.ts";
export type { LaneCounts, SealedLane } from "./lanes/sealed-lane.ts";
export {
  type LaneHub,
  type LaneSession,
  type SessionCarrier,
  SessionLane,
  sessionLane,
  type SessionLaneOptions,
  SessionLanes,
} from "./lanes/session-lane.ts";
export type {
  EndedMessage,
  JoinAnswer,
  JoinRefusal,
  LaneAnswer,
  LaneRequest,
  LaneTicket,
  RoomCreation,
  RoomTicket,
} from "./contracts/wire.ts";
export type { Figures } from "./join/figures.ts";
export { join } from "./join/join.ts";
export type { JoinOptions, PlayEnd, PlayOptions, PlayState, RoomSession } from "./join/options.ts";
export type { Play } from "./join/play.ts";
export { dialLane, type DialLaneOptions, overUdp, type UdpClientLane } from "./lanes/udp-client.ts";
export {
  defaultUdpLanesOptions,
  type LaneSocket,
  type UdpLanes,
  udpLanes,
  type UdpLanesOptions,
  type UdpLanesStats,
} from "./lanes/udp-server.ts";
export type { UdpServerLane } from "./lanes/udp-server-lane.ts";
export type { ChannelLane } from "./lanes/channel-lane.ts";
export {
  defaultWebRtcLanesOptions,
  type OpenedWebRtcLane,
  type WebRtcLanes,
  webRtcLanes,
  type WebRtcLanesOptions,
} from "./lanes/webrtc-server.ts";
export {
  openWebRtcLane,
  overWebRtc,
  type WebRtcLaneOptions,
  type WebRtcPageLane,
} from "./lanes/webrtc-page.ts";
export {
  type ApplyInput,
  InputBuffer,
  type InputBufferOptions,
  type InputCounts,
} from "./input/buffer.ts";
export { InputReport } from "./input/report.ts";
export { type InputOutcome, InputSender } from "./input/sender.ts";
export { PredictedWorld } from "./play/predicted-world.ts";
export {
  type PredictedState,
  Prediction,
  type PredictionOptions,
  type Reconciliation,
} from "./play/prediction.ts";
export { ClientTime } from "./timing/client-time.ts";
export { ClockOffset } from "./timing/clock-offset.ts";
export { Display, type DisplayOptions, type DisplayState, type FrameAt } from "./timing/display.ts";
export { DisplayFrame, interpolate } from "./timing/interpolation.ts";
export { InputClock, SteeredClock, type SteeringOptions } from "./timing/steering.ts";
export type { Clock } from "./timing/clock.ts";
export { Stagger } from "./timing/stagger.ts";
export { type Lateness, Ticker, type TickerOptions } from "./timing/ticker.ts";
export { area, type AreaOptions } from "./match/area.ts";
export {
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
export {
  defaultMatchQueueOptions,
  type MatchedPlayers,
  MatchQueue,
  type QueuedPlayer,
  type QueueState,
} from "./host/match-queue.ts";
export type { MatchQueueOptions } from "./contracts/matching.ts";
export type { OpenPlace } from "./host/open-places.ts";
export { defaultPastOptions, Past, type PastGame, type PastOptions } from "./match/past.ts";
export {
  defaultRoomDefinition,
  defineRoom,
  type EndReason,
  type KickOptions,
  type Room,
  type RoomDefinition,
  type Seat,
} from "./match/definition.ts";
export { Match, type MatchOptions } from "./match/match.ts";
export type { Command, MatchListener, TickSource, TickWriter } from "./match/commands.ts";
export { Recording, Replay } from "./match/recording.ts";
export { restoreMatch, saveMatch } from "./match/checkpoint.ts";
export { type ListedRoom, type ListedRooms } from "./host/list.ts";
export { roomNamespaces } from "./host/namespaces.ts";
export { type CreateOptions, defaultRoomsOptions, type RoomMode, type RoomsOptions } from "./host/options.ts";
export { Rooms, type RoomsStats } from "./host/rooms.ts";
export { Sights, type SightsOptions } from "./match/sights.ts";
