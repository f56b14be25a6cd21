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
export * from "./error.ts";
export * from "./message-conn.ts";
