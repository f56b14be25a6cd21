/**
 * `@zocalo/room/client`: the half of `@zocalo/room` for pages. `join` and `findMatch`, the schema without its
 * checks, and the parts of which a client is made. It needs nothing of Node.
 */
export type { Acknowledgement } from "./contracts/acknowledgement.ts";
export { RoomError, type RoomErrorCode } from "./contracts/errors.ts";
export type { InputShape } from "./contracts/input-shape.ts";
export type { Cell, KindLayout, Layout } from "./contracts/layout.ts";
export type { Rows } from "./contracts/rows.ts";
export { bool, oneOf, reference, type ReferenceField } from "./schema/choices.ts";
export type { Field } from "./schema/field.ts";
export { type Apply, defineGame, Game, type GameDefinition } from "./schema/game.ts";
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
export { changesBetween, type FrameChanges } from "./snapshot/changes.ts";
export type {
  SnapshotFault,
  SnapshotLimits,
  SnapshotNews,
  UnusableSnapshot,
} from "./snapshot/reader.ts";
export { SnapshotReader } from "./snapshot/reader.ts";
export type { SnapshotFrame } from "./snapshot/frame.ts";
export { BestLane, type BestLaneOptions, type LaneMeans, type OpenLane } from "./lanes/best-lane.ts";
export { ImpairedLane, type LinkModels } from "./lanes/impaired-lane.ts";
export { type Carrier, type Lane, type LaneState, MAX_MESSAGE_BYTES, type PingedLane } from "./lanes/lane.ts";
export { type LinkConditions, type LinkCounts, LinkModel, perfectLink } from "./lanes/link-model.ts";
export type { LaneClock } from "./lanes/running-time.ts";
export {
  type LaneSession,
  sessionLane,
  type SessionLaneOptions,
} from "./lanes/session-lane.ts";
export type { WebRtcLane } from "./lanes/channel-lane.ts";
export { openWebRtcLane, overWebRtc, type WebRtcLaneOptions } from "./lanes/webrtc-page.ts";
export { InputReport } from "./input/report.ts";
export { type InputOutcome, InputOutcomes } from "./input/outcomes.ts";
export { InputSender } from "./input/sender.ts";
export { PredictedWorld } from "./play/predicted-world.ts";
export {
  type PredictedState,
  Prediction,
  type PredictionOptions,
  type Reconciliation,
} from "./play/prediction.ts";
export { ClientTime } from "./timing/client-time.ts";
export { Display, type DisplayOptions, type DisplayState, type FrameAt } from "./timing/display.ts";
export { DisplayFrame, interpolate } from "./timing/interpolation.ts";
export { InputClock, SteeredClock, type SteeringOptions } from "./timing/steering.ts";
export type {
  EndedMessage,
  HeardEvents,
  JoinAnswer,
  JoinRefusal,
  LaneAnswer,
  LaneRequest,
  LaneTicket,
  MatchNews,
  RoomCreation,
  RoomStats,
  RoomTicket,
} from "./contracts/wire.ts";
export type { Figures } from "./join/figures.ts";
export { findMatch, type FindMatchOptions } from "./join/find-match.ts";
export { join } from "./join/join.ts";
export type { JoinOptions, PlayEnd, PlayOptions, PlayState, RoomSession } from "./join/options.ts";
export type { Play } from "./join/play.ts";
export { Replay } from "./match/recording.ts";
