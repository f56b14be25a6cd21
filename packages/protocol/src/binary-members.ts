import type { Command, ServerMessage } from "./message.ts";

// The two tables of the binary form. docs/protocol-binary.md has them for readers; a test compares both.

/** The number of each type. */
export const TYPES: Readonly<Record<Command["type"] | ServerMessage["type"], number>> = {
  connect: 1,
  subscribe: 2,
  unsubscribe: 3,
  publish: 4,
  history: 5,
  presence: 6,
  ping: 7,
  pong: 8,
  call: 9,
  cancel: 10,
  cast: 11,
  refresh: 12,
  connected: 16,
  subscribed: 17,
  unsubscribed: 18,
  published: 19,
  verify: 20,
  error: 21,
  result: 22,
  failed: 23,
  refreshed: 24,
  publication: 32,
  gap: 33,
  join: 34,
  leave: 35,
  disconnect: 36,
  changes: 37,
  message: 38,
};

/** How the bytes of a member are read. */
export type BytesAs = "text" | "json" | "bytes" | "object" | "array";
/** How its number is read. */
export type NumberAs = "number" | "boolean";

/** A member: its number, and what its value is where it is bytes, and where it is a number. */
export interface Member {
  readonly number: number;
  readonly bytesAs?: BytesAs;
  readonly numberAs?: NumberAs;
}

const text = (number: number): Member => ({ number, bytesAs: "text" });
const json = (number: number): Member => ({ number, bytesAs: "json" });
const object = (number: number): Member => ({ number, bytesAs: "object" });
const array = (number: number): Member => ({ number, bytesAs: "array" });
const whole = (number: number): Member => ({ number, numberAs: "number" });
const flag = (number: number): Member => ({ number, numberAs: "boolean" });

/** What members there are, those of objects in objects too: one that is missing below is no program. */
type NamesIn<Value> = Value extends Leaf
  ? never
  : Value extends readonly (infer Item)[]
    ? NamesIn<Item>
    : {
        [Name in keyof Value]-?: Name | (Name extends "data" | "info" ? never : NamesIn<Value[Name]>);
      }[keyof Value];
type Leaf = string | number | boolean | undefined;

/** Every member of every message, and of the objects in them. */
export const MEMBERS = {
  id: whole(1),
  channel: text(2),
  offset: whole(3),
  at: whole(4),
  data: json(5),
  bytes: { number: 6, bytesAs: "bytes" },
  user: text(7),
  info: json(8),
  key: text(9),
  epoch: text(10),
  version: whole(11),
  token: text(12),
  cookie: text(13),
  session: text(14),
  server: text(15),
  since: object(16),
  last: whole(17),
  presence: { number: 18, bytesAs: "object", numberAs: "boolean" },
  before: whole(19),
  limit: whole(20),
  head: whole(21),
  oldest: whole(22),
  recovered: flag(23),
  reset: flag(24),
  gap: object(25),
  from: whole(26),
  to: whole(27),
  publications: array(28),
  users: array(29),
  connections: whole(30),
  total: whole(31),
  duplicate: flag(32),
  pingMs: whole(33),
  expiresMs: whole(34),
  commandBytes: whole(35),
  code: { number: 36, bytesAs: "text", numberAs: "number" },
  message: text(37),
  retryMs: whole(38),
  reason: text(39),
  reconnect: flag(40),
  type: text(41),
  guest: flag(42),
  answersPings: flag(43),
  gather: flag(44),
  hidden: flag(45),
  after: whole(46),
  next: whole(47),
  keyMs: whole(48),
  changes: array(49),
  commandsPerSecond: whole(50),
  commandBurst: whole(51),
  cost: whole(52),
  method: text(53),
  deadlineMs: whole(54),
  call: whole(55),
  topic: text(56),
  sender: text(57),
  tokenMs: whole(58),
} as const satisfies Readonly<Record<NamesIn<Command | ServerMessage> | "bytes", Member>>;
