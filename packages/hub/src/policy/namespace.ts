import {
  base64Length,
  commandBytesFor,
  isChannelName,
  LIMITS,
  namespaceOf,
  ProtocolError,
} from "@zocalo/protocol";
import { NetError } from "@zocalo/net";
import { checkCount, checkKind, checkNames, checkOneOf, type Names, shown } from "@zocalo/net/transport";
import type { Retention } from "../engine/engine.ts";
import type { Identity } from "./identity.ts";

/**
 * Who may: `"nobody"`, `"users"` (whoever is not a guest), `"anyone"`, or a function that decides for each
 * user and channel. If the function throws, the command is answered `internal` and not carried out.
 */
export type Permission =
  | "nobody"
  | "users"
  | "anyone"
  | ((identity: Identity, channel: string) => boolean | Promise<boolean>);

/**
 * What the channels of one namespace are like. A namespace is what stands before the first `:` of a channel's
 * name.
 */
export interface NamespaceOptions {
  /** What is kept for those who come later or fall behind. Each bound has its default. */
  readonly history?: {
    /** Publications; 0: none, so that whoever misses one is told of a gap. Default 1,000. */
    readonly publications?: number;
    /** Their JSON text, in bytes of UTF-8, or their bytes. Default 1,048,576. */
    readonly bytes?: number;
    /** Their age, in milliseconds. Default 86,400,000: a day. */
    readonly ttlMs?: number;
  };
  /** True: those who subscribe can be seen, and can see each other. Default false. */
  readonly presence?: boolean;
  /** Who may subscribe, and read history and presence. Default `"nobody"`. */
  readonly subscribe?: Permission;
  /** Who may publish. Default `"nobody"`. */
  readonly publish?: Permission;
  /**
   * Who may cast: say what is of this moment, is in no log, and of which only the newest reaches those who do
   * not read at once. Default `"nobody"`.
   */
  readonly cast?: Permission;
  /**
   * True: what is published and cast says which session it is of, by its public name, so that a client knows
   * its own. The log does not keep it: only what is new when it is published has it. Default false.
   */
  readonly senders?: boolean;
  /**
   * What is published and cast: `"json"`, or `"bytes"`, which arrive as they were sent; clients that speak
   * JSON have them in base64. Default `"json"`. To change it leaves what is kept as it was.
   */
  readonly data?: "json" | "bytes";
  /**
   * JSON text of a publication's `data`, in UTF-16 code units, or its bytes; at most 1,048,576. Default
   * 49,152, of bytes 36,864, which are as long in base64. **Risk** of more: each connection to the hub may
   * make its server keep a command of that length, and a message where it reads slowly, and read it at once:
   * to check 1 MiB takes some ten milliseconds, and counts for a thousand commands. Listeners have to take
   * one, and connections to send it: see `Hub.sizes`. A publication larger than `history.bytes` reaches only
   * those who are live.
   */
  readonly maxDataLength?: number;
  /**
   * How long an idempotency key is known, in milliseconds. Default 300,000. 0: not at all, so that what is
   * sent again is there twice.
   */
  readonly keyMs?: number;
}

/** The permissions that are words. */
const WORDS = ["nobody", "users", "anyone"] as const satisfies readonly Permission[];

const optionNames: Names<NamespaceOptions> = {
  history: 1,
  presence: 1,
  subscribe: 1,
  publish: 1,
  cast: 1,
  senders: 1,
  data: 1,
  maxDataLength: 1,
  keyMs: 1,
};
const historyNames: Names<NonNullable<NamespaceOptions["history"]>> = { publications: 1, bytes: 1, ttlMs: 1 };

const defaults = {
  publications: 1_000,
  bytes: 1_048_576,
  ttlMs: 86_400_000,
  keyMs: 300_000,
} as const;

/** A namespace with its defaults filled in. */
export interface Namespace {
  readonly name: string;
  readonly retention: Retention;
  readonly presence: boolean;
  readonly subscribe: Permission;
  readonly publish: Permission;
  readonly cast: Permission;
  readonly senders: boolean;
  readonly data: "json" | "bytes";
  readonly maxDataLength: number;
  /** Publications that are read from the log at once. */
  readonly pageSize: number;
}

/** How long messages get, where the namespaces of a hub take so much `data`. */
export interface MessageSizes {
  /**
   * The largest command, in bytes, as clients are told. Listeners have to take messages of this size
   * (`maxMessageBytes`): 65,536, and more where `maxDataLength` of a namespace is past its default.
   */
  readonly commandBytes: number;
  /**
   * The largest message with a single publication, in bytes. A connection that cannot send it
   * (`sendLimitBytes`) tells of a gap instead.
   */
  readonly messageBytes: number;
}

/** Bytes that one UTF-16 code unit takes in UTF-8 at most. */
const MAX_UTF8_BYTES = 3;
/** What stands around the `data` of a publication, at most. */
const ENVELOPE_BYTES = 16_384;

/** Publications of the usual length that are read from the log at once. */
const PAGE_SIZE = 64;

/** The namespaces of a hub, by name. */
export class Namespaces {
  readonly #byName = new Map<string, Namespace>();
  /** Each namespace that remembers keys remembers them at least this long, in milliseconds. */
  readonly keyMs: number | undefined;
  readonly sizes: MessageSizes;
  /** Some tell which session says what. */
  readonly haveSenders: boolean;

  /** @throws NetError `invalid_argument` for a name, or a value of an option, that cannot be. */
  constructor(given: Readonly<Record<string, NamespaceOptions>>) {
    checkKind("set", "namespaces", given ?? null, "object");
    for (const [name, options] of Object.entries(given)) this.#byName.set(name, withDefaults(name, options));
    this.haveSenders = [...this.#byName.values()].some(({ senders }) => senders);
    const times = [...this.#byName.values()].map(({ retention }) => retention.keyMs);
    const least = Math.min(...times.filter((ms) => ms > 0));
    this.keyMs = Number.isFinite(least) ? least : undefined;
    // In characters of JSON, which has bytes in base64.
    const lengths = [...this.#byName.values()].map(({ data, maxDataLength }) =>
      data === "bytes" ? base64Length(maxDataLength) : maxDataLength,
    );
    const most = Math.max(LIMITS.dataLength, ...lengths);
    this.sizes = {
      commandBytes: commandBytesFor(most),
      messageBytes: MAX_UTF8_BYTES * most + ENVELOPE_BYTES,
    };
  }

  /** @throws ProtocolError `unknown_channel` */
  of(channel: string): Namespace {
    const namespace = this.#byName.get(namespaceOf(channel));
    if (namespace) return namespace;
    throw new ProtocolError(
      "unknown_channel",
      `this server has no namespace ${JSON.stringify(namespaceOf(channel))}`,
    );
  }
}

/** Asks a permission; a promise only if the permission makes one. */
export function allows(
  permission: Permission,
  identity: Identity,
  channel: string,
): boolean | Promise<boolean> {
  switch (permission) {
    case "anyone":
      return true;
    case "users":
      return !identity.isGuest;
    case "nobody":
      return false;
    default:
      return permission(identity, channel);
  }
}

function withDefaults(name: string, options: NamespaceOptions): Namespace {
  if (!isChannelName(name) || name.includes(":")) {
    throw refused(`namespaces: ${JSON.stringify(name)} is no name: letters, digits, "_" and "-"`);
  }
  const path = `namespaces.${name}`;
  checkNames("set", path, options ?? null, optionNames);
  const { history = {}, presence = false, senders = false, data = "json" } = options;
  const { subscribe = "nobody", publish = "nobody", cast = "nobody" } = options;
  checkNames("set", `${path}.history`, history, historyNames);
  checkKind("set", `${path}.presence`, presence, "boolean");
  checkKind("set", `${path}.senders`, senders, "boolean");
  checkOneOf("set", `${path}.data`, data, ["json", "bytes"]);
  checkPermission(`${path}.subscribe`, subscribe);
  checkPermission(`${path}.publish`, publish);
  checkPermission(`${path}.cast`, cast);
  const { maxDataLength = data === "bytes" ? LIMITS.dataBytes : LIMITS.dataLength } = options;
  const { publications = defaults.publications, bytes = defaults.bytes, ttlMs = defaults.ttlMs } = history;
  const { keyMs = defaults.keyMs } = options;
  const number = (option: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): number =>
    checkCount("set", `${path}.${option}`, value, most, least);
  return {
    name,
    retention: {
      publications: number("history.publications", publications, 0),
      bytes: number("history.bytes", bytes, 0),
      ttlMs: number("history.ttlMs", ttlMs, 1),
      keyMs: number("keyMs", keyMs, 0),
    },
    presence,
    subscribe,
    publish,
    cast,
    senders,
    data,
    maxDataLength: number("maxDataLength", maxDataLength, 1, LIMITS.largestDataLength),
    // So a page of the largest publications is 3 MiB of text, or of bytes, anywhere.
    pageSize: Math.min(PAGE_SIZE, Math.floor((PAGE_SIZE * LIMITS.dataLength) / maxDataLength)),
  };
}

/** @throws NetError `invalid_argument` for what is no permission */
export function checkPermission(path: string, given: unknown): void {
  if (typeof given === "function" || WORDS.some((word) => word === given)) return;
  throw refused(`${path} ${shown(given)} is not one of ${WORDS.map(shown).join(", ")}, and no function`);
}

function refused(reason: string): NetError {
  return new NetError({ op: "set", code: "invalid_argument", reason });
}
