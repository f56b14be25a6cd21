export {
  AddressCounts,
  AddressLimits,
  defaultAddressLimits,
  exemptSet,
  type Holder,
  hostOf,
  localAddresses,
  visitorOf,
} from "./flow/address-limits.ts";
export { type Addressless, AddressSet } from "./flow/address-set.ts";
export {
  type Addr,
  type IpAddr,
  type IpNetwork,
  ipAddr,
  joinHostPort,
  type PipeAddr,
  type UnixAddr,
  unixAddr,
} from "./contracts/addr.ts";
export type * from "./contracts/conn.ts";
export { dial } from "./dial.ts";
export type {
  DialOptions,
  ProxyTlsOptions,
  Resolver,
  TcpDialOptions,
  TlsDialOptions,
} from "./options/dial-options.ts";
export type { DatagramConn, DatagramHandler } from "./udp/datagram-conn.ts";
export type { DatagramSocket, DatagramSocketHandler } from "./contracts/datagram-socket.ts";
export type { UdpDialOptions } from "./udp/dial-udp.ts";
export { type DelimitedOptions, delimited } from "./framing/delimiter.ts";
export * from "./contracts/error.ts";
export { type FrameCodec, type FrameDecoder, FrameFault } from "./framing/frame-codec.ts";
export { defaultFramedOptions, type FramedOptions, framed } from "./framing/framed.ts";
export { type LengthPrefix, type LengthPrefixedOptions, lengthPrefixed } from "./framing/length-prefix.ts";
export { lineCodec, lines } from "./framing/lines.ts";
export { type InheritedSocket, inheritedSockets } from "./networks/inherited.ts";
export { listen } from "./listen.ts";
export type {
  ListenOptions,
  Refusal,
  RefusalReason,
  TcpListenOptions,
  UnixListenOptions,
  AddressLimitOptions,
  ProxyProtocolOptions,
} from "./options/listen-options.ts";
export {
  defaultPacketLimits,
  listenPacket,
  type PacketNetwork,
  type PacketOptions,
} from "./udp/listen-packet.ts";
export type { UdpLimits } from "./udp/udp-socket.ts";
export { listenPipe, type PipeListener, type PipeListenOptions } from "./listen-pipe.ts";
export * from "./contracts/message-conn.ts";
export type {
  OutgoingPacket,
  Packet,
  PacketConn,
  PacketHandler,
  GroupOptions,
} from "./contracts/packet-conn.ts";
export type { Clock, PeerListener, PeerSocket } from "./udp/peer-listener.ts";
export { defaultPeersOptions, type PeersOptions, peers } from "./udp/peers.ts";
export { pipe } from "./stream/pipe.ts";
export { printable, printableJson, printableLines } from "./contracts/printable.ts";
export type { SocketOptions } from "./options/socket-options.ts";
export { TlsSessions } from "./options/tls-sessions.ts";
export { startTls } from "./networks/start-tls.ts";
export type {
  StartTlsClientOptions,
  StartTlsServerOptions,
  TlsClientOptions,
  TlsCommonOptions,
  TlsEndOptions,
  TlsIdentity,
  TlsListenOptions,
  TlsOffer,
  TlsServerOptions,
} from "./options/tls-options.ts";
export {
  fromNodeStream,
  fromWebStreams,
  toNodeStream,
  toWebStreams,
  type WebStreamPair,
} from "./stream/web-streams.ts";
export type { NetTrace, TracedDial, TracedHandshake } from "./flow/trace.ts";
export type { TlsState } from "./contracts/conn.ts";
export { parseAddr, splitHostPort } from "./contracts/parse-addr.ts";
