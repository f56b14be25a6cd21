export { AddressCounts, AddressLimits, defaultAddressLimits, exemptSet, type Holder, hostOf, localAddresses, visitorOf } from "./address-limits.ts";
export { AddressSet } from "./address-set.ts";
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
export type { DialOptions, TcpDialOptions, Resolver } from "./dial-options.ts";
export type { DatagramConn, DatagramHandler } from "./datagram-conn.ts";
export type { DatagramSocket, DatagramSocketHandler } from "./datagram-socket.ts";
export type { UdpDialOptions } from "./dial-udp.ts";
export { type DelimitedOptions, delimited } from "./delimiter.ts";
export * from "./error.ts";
export { type FrameCodec, type FrameDecoder, FrameFault } from "./frame-codec.ts";
export { defaultFramedOptions, type FramedOptions, framed } from "./framed-conn.ts";
export { type LengthPrefix, type LengthPrefixedOptions, lengthPrefixed } from "./length-prefix.ts";
export { lines } from "./lines.ts";
export { listen } from "./listen.ts";
export type { ListenOptions, Refusal, RefusalReason, TcpListenOptions, UnixListenOptions, AddressLimitOptions, ProxyProtocolOptions } from "./listen-options.ts";
export {
  defaultPacketLimits,
  listenPacket,
  type PacketNetwork,
  type PacketOptions,
} from "./listen-packet.ts";
export * from "./message-conn.ts";
export type { Packet, PacketConn, PacketHandler, GroupOptions } from "./packet-conn.ts";
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
export type { SocketOptions } from "./socket-options.ts";
export type { TlsCommonOptions, TlsDialOptions, TlsEndOptions, TlsIdentity, TlsListenOptions, TlsServerOptions } from "./tls-options.ts";
export {
  fromNodeStream,
  fromWebStreams,
  toNodeStream,
  toWebStreams,
  type WebStreamPair,
} from "./web-streams.ts";
export type { TlsState } from "./conn.ts";
