export { onceAborted } from "./abort-listeners.ts";
export {
  AddressCounts,
  type AddressLimitOptions,
  AddressLimits,
  defaultAddressLimits,
  exemptSet,
  type Holder,
  hostOf,
  localAddresses,
  visitorOf,
} from "./address-limits.ts";
export { AddressSet } from "./address-set.ts";
export { type Accepted, AcceptQueue, type AcceptQueueOptions, checkAcceptLimits } from "./accept-queue.ts";
export {
  type Addr,
  type IpAddr,
  type IpNetwork,
  ipAddr,
  joinHostPort,
  type PipeAddr,
  parseAddr,
  splitHostPort,
  type UnixAddr,
  unixAddr,
} from "./addr.ts";
export type * from "./conn.ts";
export { dial } from "./dial.ts";
export type { DialOptions, TcpDialOptions } from "./dial-options.ts";
export type { DatagramConn, DatagramHandler } from "./datagram-conn.ts";
export type { DatagramSocket, DatagramSocketHandler } from "./datagram-socket.ts";
export type { UdpDialOptions } from "./dial-udp.ts";
export { type DelimitedOptions, delimited } from "./delimiter.ts";
export * from "./error.ts";
export { type FrameCodec, type FrameDecoder, FrameFault } from "./frame-codec.ts";
export { defaultFramedOptions, type FramedOptions, framed } from "./framed-conn.ts";
// For those who write a transport.
export { defaultInboxLimits, Inbox, type InboxHandler, type InboxLimits, type InboxSource } from "./inbox.ts";
export { netErrorFrom } from "./node-error.ts";
export { isPoolSafe } from "./own-memory.ts";
export { poison } from "./poison.ts";
export { rejection, tell, told } from "./told.ts";
export { CertificateAlert, type Judged } from "./certificate-alert.ts";
export { checkConnectionOptions } from "./check-connection-options.ts";
export { checkKind, checkNames, checkSignal, shown } from "./check-options.ts";
export { checkTlsServerOptions } from "./check-tls-options.ts";
export { type SecuredSocket, TlsHandshakes } from "./tls-handshakes.ts";
export { remoteEnd, resetSocket, type SocketEnd } from "./node-internals.ts";
export type { DialLimits } from "./dial-limits.ts";
export { dialSocket } from "./tcp-dial.ts";
export type { FailureSite } from "./failures.ts";
export { isLentMemory } from "./lent-memory.ts";
export { type LengthPrefix, type LengthPrefixedOptions, lengthPrefixed } from "./length-prefix.ts";
export { lines } from "./lines.ts";
export { listen } from "./listen.ts";
export type {
  ListenOptions,
  Refusal,
  RefusalReason,
  TcpListenOptions,
  UnixListenOptions,
} from "./listen-options.ts";
export {
  defaultPacketLimits,
  listenPacket,
  type PacketNetwork,
  type PacketOptions,
} from "./listen-packet.ts";
export * from "./message-conn.ts";
export { MessageWatch, type MessageWatchHost } from "./message-watch.ts";
export type { GroupOptions } from "./multicast.ts";
export type { Packet, PacketConn, PacketHandler } from "./packet-conn.ts";
export {
  type Clock,
  defaultPeersOptions,
  type PeerListener,
  type PeerSocket,
  type PeersOptions,
  peers,
} from "./peers.ts";
export { pipe } from "./pipe.ts";
export { printable, printableJson, printableLines } from "./printable.ts";
export type { ProxyProtocolOptions } from "./proxy-protocol.ts";
export type { Resolver } from "./resolve.ts";
export { Roster, type Seated } from "./roster.ts";
export { checkPeriodMs, type Monitored, monitor, unmonitor } from "./rounds.ts";
export type { SocketOptions } from "./socket-options.ts";
export type {
  TlsCommonOptions,
  TlsDialOptions,
  TlsEndOptions,
  TlsIdentity,
  TlsListenOptions,
  TlsServerOptions,
  TlsState,
} from "./tls-options.ts";
export {
  fromNodeStream,
  fromWebStreams,
  toNodeStream,
  toWebStreams,
  type WebStreamPair,
} from "./web-streams.ts";
export { type SocketEnds, unacknowledgedBytes } from "./unacknowledged.ts";
export { writeByStream } from "./write-by-stream.ts";
export { hasProgressed, type WriteProgress, writeProgress } from "./write-progress.ts";
export { WriteWatch, type WriteWatchHost } from "./write-watch.ts";
