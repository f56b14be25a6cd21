export { AcceptQueue, type AcceptQueueOptions } from "./accept-queue.ts";
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
// For those who write a transport.
export { defaultInboxLimits, Inbox, type InboxLimits, type InboxSource } from "./inbox.ts";
export * from "./message-conn.ts";
