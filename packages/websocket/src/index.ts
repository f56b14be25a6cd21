export { WebSocketConn } from "./session/conn.ts";
export { Compression, type DeflateParameters, type DeflateSettings } from "./core/compression.ts";
export { Core, type CoreEvents } from "./core/core.ts";
export type { Role } from "./core/frame.ts";
export { defaultReceiveLimits, type ReceiveLimits } from "./core/message-body.ts";
export type { Outbox } from "./core/outbox.ts";
export { serverFrame } from "./core/frame.ts";
export { dial } from "./client/dial.ts";
export type { WebSocketTlsOptions } from "./client/connect.ts";
export type { DialOptions } from "./client/dial-options.ts";
export {
  WebSocketNetError,
  type WebSocketNetErrorParts,
} from "./core/error.ts";
export { type BroadcastOutcome, Group, type GroupOptions } from "./server/group.ts";
export { type Agreement, type HandshakeResponse, readAnswer } from "./handshake/client.ts";
export type { CompressionOptions, CompressionSettings } from "./handshake/deflate.ts";
export type { ExtensionOffer } from "./handshake/extensions.ts";
export { HostNames, type LocalEnd } from "./handshake/host-names.ts";
export { isSameHost } from "./handshake/origin.ts";
export { isRefusal, type Refusal, readUpgrade, type UpgradeRequest } from "./handshake/server.ts";
export { toOriginForm } from "./handshake/target.ts";
export { attach, listen } from "./server/listen.ts";
export type { AttachOptions, ListenOptions } from "./server/listen-options.ts";
export type { IncomingStream } from "./session/incoming-stream.ts";
export type { ConnOptions } from "./session/options.ts";
export type { StreamSource } from "./session/outgoing-stream.ts";
export type { WebSocketTrace } from "./trace.ts";
export type { WebSocketRefusal } from "./server/refusal.ts";
export { Upgrader } from "./server/upgrader.ts";
export type { UpgraderOptions } from "./server/upgrader-options.ts";
export {
  type OpenedStream,
  WebSocketStream,
  type WebSocketStreamOptions,
} from "./whatwg/websocket-stream.ts";
export { type WebSocketCloseInfo, WebSocketError } from "./whatwg/websocket-error.ts";
export { type SendData, WebSocket, type WebSocketOptions } from "./whatwg/whatwg.ts";
export {
  CloseEvent,
  type CloseEventOptions,
  type EventHandler,
  type EventOptions,
  MessageEvent,
  type MessageEventOptions,
  type WebSocketEvents,
  type WebSocketListener,
} from "./whatwg/whatwg-events.ts";
export type { CloseFrame, ProtocolFailure } from "./core/close-frame.ts";
export type { MessagePart, MessageSink } from "./core/message-body.ts";
export type { ReceiverSink } from "./core/receiver.ts";
export type { HandshakeRequest } from "./handshake/fields.ts";
