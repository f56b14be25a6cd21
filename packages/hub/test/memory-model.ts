import { ProtocolError, type StoredPublication } from "@zocalo/protocol";
import type { Committed, LogPage, LogState, NewPublication, Retention } from "../src/engine/engine.ts";
import { defaultMemoryEngineOptions, type MemoryEngineOptions } from "../src/memory/memory-engine.ts";

interface Key {
  readonly text: string;
  readonly offset: number;
  readonly at: number;
  readonly expires: number;
  readonly holder: string | undefined;
  /** It was published with again after its time. */
  isHidden?: boolean;
}

interface Kept extends StoredPublication {
  readonly cameAt: number;
  readonly holder: string | undefined;
  readonly jsonBytes: number;
  readonly cost: number;
}

interface Log {
  readonly name: string;
  readonly generation: number;
  kept: Kept[];
  keys: Key[];
  head: number;
  ttlMs: number;
  isOpen: boolean;
  share: string | undefined;
  list: "empty" | "holding" | undefined;
  /** Something can be had of it. */
  isGiving: boolean;
  /** When it was last put at the end of each list that it is in. */
  used: number;
  spare: number;
  idle: number;
  next: number;
}

const CELL = 132;

function cells(room: number, size: number): number {
  return CELL * (1 + Math.ceil(Math.max(0, size - room) / 124));
}

function sizeOf(text: string | Uint8Array | undefined): number {
  if (typeof text !== "string") return text?.length ?? 0;
  return /^[\0-\x7f]*$/.test(text) ? text.length : 2 * text.length;
}

function costOfLog(name: string): number {
  return cells(16, sizeOf(name));
}

const costOfName = (name: string): number => cells(72, sizeOf(name));

/** What a `MemoryEngine` is to do, in maps and arrays, with a look at everything for each step. */
export class MemoryModel {
  readonly #limits: Required<Omit<MemoryEngineOptions, "clock" | "random">>;
  readonly logs = new Map<string, Log>();
  #generation = 0;
  #stamp = 0;
  #inUse: string | undefined;
  wall = 0;
  uptime = 0;

  constructor(options: MemoryEngineOptions) {
    this.#limits = { ...defaultMemoryEngineOptions, ...options };
  }

  get bytes(): number {
    let bytes = 0;
    for (const log of this.logs.values()) {
      bytes += costOfLog(log.name);
      for (const { cost } of log.kept) bytes += cost;
      for (const { text } of log.keys) bytes += costOfName(text);
    }
    for (const share of this.#shares()) bytes += costOfName(share);
    return bytes;
  }

  get isFull(): boolean {
    const open = [...this.logs.values()].filter(({ isOpen }) => isOpen).length;
    return this.#isTooMuchOpen || open >= this.#limits.maxChannels;
  }

  publish(
    channel: string,
    { user, info, data, key, address }: NewPublication,
    retention: Retention,
  ): Committed {
    const found = this.logs.get(channel);
    if (found && key !== undefined) {
      this.#trimKeys(found);
      const known = found.keys.find(({ text, isHidden }) => text === key && !isHidden);
      if (known && known.expires > this.uptime) {
        return { epoch: this.#state(found).epoch, offset: known.offset, at: known.at, duplicate: true };
      }
      if (known) known.isHidden = true;
    }
    if (key !== undefined && retention.keyMs > 0) this.#checkRoomForKey(found, address);
    const log = found ?? this.#begin(channel);
    const { epoch } = this.#state(log);
    this.#inUse = address;
    try {
      if (address !== undefined && log.head === 0 && log.share === undefined) this.#assign(log, address);
      const before = this.bytes;
      const offset = ++log.head;
      const kept: Kept = {
        ...{ offset, at: this.wall, user, info, holder: address, cameAt: this.uptime },
        data: typeof data === "string" ? data : new Uint8Array(data),
        jsonBytes: Buffer.byteLength(data) + Buffer.byteLength(info ?? ""),
        cost: cells(60, sizeOf(user) + sizeOf(info) + sizeOf(data)),
      };
      log.kept.push(kept);
      if (log.kept.length === 1 && address !== undefined) log.next = ++this.#stamp;
      if (key !== undefined && retention.keyMs > 0) {
        const expires = this.uptime + retention.keyMs;
        log.keys.push({ text: key, offset, at: this.wall, holder: address, expires });
      }
      this.#settle(log);
      log.ttlMs = retention.ttlMs;
      const sum = (): number => log.kept.reduce((bytes, { jsonBytes }) => bytes + jsonBytes, 0);
      while (log.kept.length > retention.publications || sum() > retention.bytes) this.#dropOldest(log);
      this.#trim(log);
      log.used = ++this.#stamp;
      log.spare = log.used;
      log.idle = log.used;
      log.next = log.used;
      if (address !== undefined) this.#makeRoomFor(address, log, before);
      this.#makeRoom(log);
      return { epoch, offset, at: this.wall, duplicate: false };
    } finally {
      this.#inUse = undefined;
    }
  }

  read(channel: string, after: number, limit: number): LogPage {
    const log = this.logs.get(channel);
    if (!log) return { epoch: `${this.#generation}`, head: 0, oldest: 1, publications: [] };
    this.#trim(log);
    const publications = log.kept.filter(({ offset }) => offset > after).slice(0, limit);
    return {
      ...this.#state(log),
      publications: publications.map(({ offset, at, user, info, data }) => ({
        ...{ offset, at, user, info, data },
      })),
    };
  }

  open(channel: string): LogState {
    if (this.#isTooMuchOpen) throw new ProtocolError("limit_reached", "open");
    const log = this.logs.get(channel) ?? this.#begin(channel);
    log.isOpen = true;
    this.#settle(log);
    this.#trim(log);
    return this.#state(log);
  }

  release(channel: string): void {
    const log = this.logs.get(channel);
    if (!log) return;
    log.isOpen = false;
    this.#settle(log);
    if (log.head === 0) this.logs.delete(channel);
  }

  sweep(): void {
    for (const log of this.#byUse().sort((a, b) => Number(b.isGiving) - Number(a.isGiving))) {
      this.#trim(log);
      while (this.#trimKeys(log));
    }
  }

  #state({ generation, head, kept }: Log): LogState {
    return { epoch: `${generation}`, head, oldest: head - kept.length + 1 };
  }

  #trim(log: Log): void {
    while (log.kept[0] && log.kept[0].cameAt <= this.uptime - log.ttlMs) this.#dropOldest(log);
    this.#trimKeys(log);
  }

  #trimKeys(log: Log): boolean {
    const past = log.keys.findIndex(({ expires }) => expires > this.uptime);
    const dropped = Math.min(64, past < 0 ? log.keys.length : past);
    log.keys.splice(0, dropped);
    this.#settle(log);
    return dropped > 0;
  }

  #settle(log: Log): void {
    const before = log.list;
    log.list = log.isOpen || log.keys.length > 0 ? undefined : log.kept.length > 0 ? "holding" : "empty";
    const isGiving = log.list !== undefined || log.kept.length > 0;
    if (isGiving !== log.isGiving) log.used = ++this.#stamp;
    log.isGiving = isGiving;
    if (before === log.list) return;
    log.spare = ++this.#stamp;
    if (before === undefined) log.idle = log.spare;
  }

  #dropOldest(log: Log): boolean {
    const first = log.kept.shift();
    this.#settle(log);
    if (first && first.holder !== log.kept[0]?.holder) log.next = ++this.#stamp;
    return first !== undefined;
  }

  #shares(): Set<string> {
    const shares = new Set<string>();
    if (this.#inUse !== undefined) shares.add(this.#inUse);
    for (const { share, kept, keys } of this.logs.values()) {
      for (const each of [share, ...[...kept, ...keys].map(({ holder }) => holder)]) {
        if (each !== undefined) shares.add(each);
      }
    }
    return shares;
  }

  #keyWeight(share: string): number {
    return [...this.logs.values()]
      .flatMap(({ keys }) => keys)
      .reduce((sum, { holder, text }) => sum + (holder === share ? costOfName(text) : 0), 0);
  }

  #weight(share: string): number {
    return [...this.logs.values()]
      .flatMap(({ kept }) => kept)
      .reduce((sum, { holder, cost }) => sum + (holder === share ? cost : 0), this.#keyWeight(share));
  }

  #checkRoomForKey(log: Log | undefined, address: string | undefined): void {
    const { maxKeysPerChannel, maxBytes, maxBytesPerAddress } = this.#limits;
    let bytes = 0;
    const holders = new Set<string>();
    for (const { name, keys } of this.logs.values()) {
      if (keys.length > 0) bytes += costOfLog(name) + CELL;
      for (const { text, holder } of keys) {
        bytes += costOfName(text);
        if (holder !== undefined) holders.add(holder);
      }
    }
    for (const holder of holders) bytes += costOfName(holder);
    const isFull =
      (log && log.keys.length >= maxKeysPerChannel) ||
      bytes >= maxBytes / 2 ||
      (address !== undefined &&
        this.#shares().has(address) &&
        this.#keyWeight(address) >= maxBytesPerAddress / 2);
    if (isFull) throw new ProtocolError("limit_reached", "keys");
  }

  #assign(log: Log, address: string): void {
    const of = [...this.logs.values()].filter(({ share }) => share === address);
    const [oldest] = of.filter(({ list }) => list !== undefined).sort((a, b) => a.idle - b.idle);
    if (of.length >= this.#limits.maxChannelsPerAddress && !this.#forget(oldest)) {
      if (!log.isOpen) this.logs.delete(log.name);
      throw new ProtocolError("limit_reached", "channels of one");
    }
    log.share = address;
    log.idle = ++this.#stamp;
  }

  #forget(log: Log | undefined): boolean {
    if (!log) return false;
    this.#generation = Math.max(this.#generation, log.generation + 1);
    this.logs.delete(log.name);
    return true;
  }

  get #isTooMuchOpen(): boolean {
    let bytes = 0;
    for (const { name, isOpen } of this.logs.values()) if (isOpen) bytes += costOfLog(name) + CELL;
    return bytes >= this.#limits.maxBytes / 4;
  }

  #begin(name: string): Log {
    const { maxChannels } = this.#limits;
    const bySpare = [...this.logs.values()].sort((a, b) => a.spare - b.spare);
    const empty = bySpare.find(({ list }) => list === "empty");
    const spare = empty ?? bySpare.find(({ list }) => list === "holding");
    if (this.logs.size >= maxChannels && !this.#forget(spare))
      throw new ProtocolError("limit_reached", "channels");
    const log: Log = {
      ...{ name, generation: this.#generation, kept: [], keys: [], head: 0, ttlMs: Number.POSITIVE_INFINITY },
      ...{
        isOpen: false,
        share: undefined,
        list: "empty",
        isGiving: true,
        used: ++this.#stamp,
        spare: 0,
        idle: 0,
        next: 0,
      },
    };
    this.logs.set(name, log);
    this.#makeRoom(log);
    return log;
  }

  #byUse(): Log[] {
    return [...this.logs.values()].sort((a, b) => a.used - b.used);
  }

  #makeRoom(inUse: Log): void {
    if (this.bytes <= this.#limits.maxBytes) return;
    for (const log of this.#byUse()) {
      while (this.bytes > this.#limits.maxBytes && this.#dropOldest(log));
      if (this.bytes <= this.#limits.maxBytes) break;
      if (log !== inUse && log.list !== undefined) this.#forget(log);
    }
  }

  #makeRoomFor(share: string, published: Log, before: number): void {
    const { maxBytesPerAddress } = this.#limits;
    if (this.#weight(share) <= maxBytesPerAddress) return;
    const isNext = (log: Log): boolean => log.kept[0]?.holder === share;
    for (const log of [...this.logs.values()].filter(isNext).sort((a, b) => a.next - b.next)) {
      while (this.#weight(share) > maxBytesPerAddress && isNext(log)) this.#dropOldest(log);
    }
    if (this.#weight(share) <= maxBytesPerAddress) return;
    while (this.bytes > before && this.#dropOldest(published));
  }
}
