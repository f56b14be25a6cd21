/**
 * `@zocalo/net/transport`: for those who write a transport, or a connection of their own over one, as `@zocalo/websocket` does. Applications need none of it, and
 * it may change with any minor version.
 */
export { onceAborted } from "./abort-listeners.ts";
export { type Accepted, AcceptQueue, type AcceptQueueOptions, checkAcceptLimits } from "./accept-queue.ts";
export { CertificateAlert, type Judged } from "./certificate-alert.ts";
export { checkConnectionOptions } from "./check-connection-options.ts";
export { checkKind, checkNames, checkSignal, shown } from "./check-options.ts";
export { checkTlsServerOptions } from "./check-tls-options.ts";
export type { DialLimits } from "./dial-limits.ts";
export { atEndOfTurn, type Flushable } from "./end-of-turn.ts";
export type { FailureSite } from "./failures.ts";
export { defaultInboxLimits, Inbox, type InboxHandler, type InboxLimits, type InboxSource } from "./inbox.ts";
export { isLentMemory } from "./lent-memory.ts";
export { MessageWatch, type MessageWatchHost } from "./message-watch.ts";
export { netErrorFrom } from "./node-error.ts";
export {
  enableReadBuffer,
  enableWritePastQueue,
  LENT_BUFFER_BYTES,
  type SocketEnd,
} from "./node-internals.ts";
export { isPoolSafe } from "./own-memory.ts";
export { poison } from "./poison.ts";
export { Roster, type Seated } from "./roster.ts";
export { checkPeriodMs, type Monitored, monitor, unmonitor } from "./rounds.ts";
export { peerEnd, transportOf } from "./socket-conn.ts";
export { dialSocket } from "./tcp-dial.ts";
export { type SecuredSocket, TlsHandshakes } from "./tls-handshakes.ts";
export { rejection, tell, told } from "./told.ts";
export type { Transport, TransportSink, WriteProgress } from "./transport.ts";
export { type SocketEnds, unacknowledgedBytes } from "./unacknowledged.ts";
export { writeProgress } from "./write-progress.ts";
export { WriteWatch, type WriteWatchHost, hasProgressed } from "./write-watch.ts";
