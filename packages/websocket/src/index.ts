export { WebSocketConn } from "./conn.ts";
export { Compression, type DeflateParameters, type DeflateSettings } from "./core/compression.ts";
export { Core, type CoreEvents } from "./core/core.ts";
export type { Role } from "./core/frame.ts";
export { defaultReceiveLimits, type ReceiveLimits } from "./core/limits.ts";
export type { Outbox } from "./core/outbox.ts";
export type { MessagePart, ProtocolFailure } from "./core/receiver.ts";
export { serverFrame } from "./core/server-frame.ts";
export { type DialOptions, dial } from "./dial.ts";
export {
  type CloseFrame,
  WebSocketError,
  type WebSocketErrorCode,
  type WebSocketErrorParts,
} from "./error.ts";
export { type BroadcastOutcome, Group, type GroupOptions } from "./group.ts";
export { type Agreement, type HandshakeResponse, readAnswer } from "./handshake/client.ts";
export type { CompressionOptions } from "./handshake/deflate.ts";
export { HostNames } from "./handshake/host-names.ts";
export { type HandshakeRequest, isSameHost } from "./handshake/origin.ts";
export { isRefusal, type Refusal, readUpgrade, type UpgradeRequest } from "./handshake/server.ts";
export { toOriginForm } from "./handshake/target.ts";
export { type AttachOptions, attach, type ListenOptions, listen } from "./listen.ts";
export type { IncomingStream } from "./incoming-stream.ts";
export type { ConnOptions } from "./options.ts";
export type { StreamSource } from "./outgoing-stream.ts";
export { Upgrader, type UpgraderOptions } from "./upgrader.ts";
export { type OpenedStream, WebSocketStream, type WebSocketStreamOptions } from "./websocket-stream.ts";
export { type WebSocketCloseInfo, WebSocketStreamError } from "./websocket-stream-error.ts";
export {
  type EventHandler,
  type SendData,
  WebSocket,
  type WebSocketEvents,
  type WebSocketOptions,
} from "./whatwg.ts";
export {
  CloseEvent,
  type CloseEventOptions,
  type EventOptions,
  MessageEvent,
  type MessageEventOptions,
} from "./whatwg-events.ts";
