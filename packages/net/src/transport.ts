/**
 * `@zocalo/net/transport`: for those who write a transport, or a connection of their own over one, as
 * `@zocalo/websocket` does. Applications need none of it, and it may change with any minor version.
 */
export { onceAborted } from "./flow/abort-listeners.ts";
export {
  type Accepted,
  AcceptQueue,
  type AcceptQueueOptions,
  checkAcceptLimits,
} from "./flow/accept-queue.ts";
export { CertificateAlert, type CertificateAlertParts } from "./tls/certificate-alert.ts";
export { checkTcpDialValues } from "./options/check-options.ts";
export { checkTlsOfDial, checkTlsServerOptions, tlsName } from "./tls/check-tls-options.ts";
export { secureContextOptions } from "./tls/certificates.ts";
export { clientHandshake, type ClientHandshakeParts, type TlsCarrier } from "./networks/secure-client.ts";
export type { SecuredSocket } from "./tls/tls-handshakes.ts";
export type { DialLimits } from "./networks/dial-limits.ts";
export { atEndOfTurn, type Flushable, lateAtEndOfTurn } from "./flow/end-of-turn.ts";
export { closeFault, isSendableCloseCode, MAX_REASON_BYTES } from "./contracts/close-code.ts";
export { asMessage } from "./contracts/as-message.ts";
export type { FailureSite } from "./contracts/failures.ts";
export { Inbox, type InboxHandler, type InboxSource } from "./flow/inbox.ts";
export { defaultInboxLimits, type InboxLimits } from "./flow/inbox-queue.ts";
export { isLentMemory } from "./memory/lent-memory.ts";
export { netErrorFrom } from "./contracts/node-error.ts";
export { enableReadBuffer, LENT_BUFFER_BYTES } from "./node/read-buffer.ts";
export { startTrials, trialsOver } from "./node/trials.ts";
export { enableWritePastQueue } from "./node/write-past-queue.ts";
export { isPoolSafe } from "./memory/own-memory.ts";
export { poison } from "./memory/poison.ts";
export { Roster, type RosterMember } from "./flow/roster.ts";
export { checkPeriodMs, type Monitored, monitor, unmonitor } from "./flow/rounds.ts";
export { MAX_INTERIM_ANSWERS, MAX_STATUS_TEXT } from "./networks/http-connect.ts";
export { DEFAULT_PROXY_DIAL_TIMEOUT_MS, proxyHandshake } from "./networks/proxy-dial.ts";
export {
  askProxy,
  type ProxyFailure,
  type ProxyHandshake,
  type ProxyStep,
  type ProxyTarget,
  proxyHost,
} from "./networks/proxy-handshake.ts";
export { parseProxyUrl, type ProxyUrl } from "./options/proxy-url.ts";
export {
  holdStill,
  peerEnd,
  releaseSocket,
  socketOf,
  traceEndElsewhere,
  transportOf,
  type UnusedConn,
  unused,
} from "./networks/socket-conn.ts";
export type { SocketEnd } from "./node/socket-ends.ts";
export { dialSocket } from "./networks/tcp-dial.ts";
export {
  dialChannels,
  type DialChannels,
  DialTracer,
  type Ends,
  HandshakeTracer,
  type TracedAttempt,
} from "./flow/trace.ts";
export { rejection, tell, told } from "./flow/told.ts";
export type { Transport, TransportSink, WriteProgress } from "./contracts/transport.ts";
export { type SocketEnds, unacknowledgedBytes } from "./node/unacknowledged.ts";
export { asItIs, Waiter, Waiters } from "./flow/waiters.ts";
export { nodeStreamOf } from "./stream/web-streams.ts";
export { writeProgress } from "./node/write-progress.ts";
export {
  hasProgressed,
  MessageWatch,
  type MessageWatchHost,
  WriteWatch,
  type WriteWatchHost,
} from "./flow/watches.ts";
export { deadlineToMs, MAX_DELAY_MS, startTimer } from "./flow/deadline.ts";
export {
  checkCount,
  checkHas,
  checkKind,
  checkNames,
  checkOneOf,
  checkSignal,
  type Names,
  shown,
} from "./options/check-values.ts";
