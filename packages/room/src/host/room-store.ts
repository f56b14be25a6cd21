import type { Json } from "@zocalo/protocol";
import { RoomError, shown } from "../contracts/errors.ts";
import { readHead, restoreMatch } from "../match/checkpoint.ts";
import type { RoomDefinition } from "../match/definition.ts";
import type { Match } from "../match/match.ts";
import type { Clock } from "../timing/clock.ts";
import { SAVES_NAMESPACE } from "./namespaces.ts";
import { readSavedRoom, type SavedRoom } from "./saved-room.ts";
import { Saves, type SavesHub } from "./saves.ts";

/** The index is kept so long after it has changed, in milliseconds. */
const INDEX_DELAY_MS = 200;
const INDEX = `${SAVES_NAMESPACE}:index`;

/** A room as another process has kept it. */
export interface KeptRoom {
  readonly match: Match;
  readonly saved: SavedRoom;
}

/** What is kept of rooms for the next process: each of them, and an index of which there are. */
export class RoomStore {
  readonly #saves: Saves;
  readonly #clock: Clock;
  readonly #report: (error: unknown) => void;
  /** By room: the number of what was kept last. */
  readonly #savesOf = new Map<string, number>();
  #indexSave = 0;
  #cancelIndex: (() => void) | undefined;
  #writingIndex: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(hub: SavesHub, clock: Clock, report: (error: unknown) => void) {
    this.#saves = new Saves(hub);
    this.#clock = clock;
    this.#report = report;
  }

  /**
   * The ids of rooms that were kept; `undefined` if there never was any.
   *
   * @throws what `hub.history` throws
   */
  async readIndex(): Promise<readonly string[] | undefined> {
    const index = await this.#saves.read(INDEX);
    if (index === undefined) return undefined;
    this.#indexSave = index.save;
    try {
      const ids: unknown = JSON.parse(new TextDecoder().decode(index.bytes));
      if (Array.isArray(ids)) return ids.filter((id) => typeof id === "string");
      throw new RoomError("invalid_value", `the index of rooms is ${shown(ids)}; allowed: a list`);
    } catch (error) {
      this.#report(error);
      return [];
    }
  }

  /**
   * A room that was kept; `undefined` if it was not, or there is no such mode any more.
   *
   * @throws what `hub.history` throws, RoomError for what cannot be read
   */
  async read(
    id: string,
    definitionOf: (mode: string) => RoomDefinition | undefined,
  ): Promise<KeptRoom | undefined> {
    const kept = await this.#saves.read(nameOf(id));
    if (kept === undefined) return undefined;
    const definition = definitionOf(readHead(kept.bytes).mode);
    if (definition === undefined) return undefined;
    const { match, host }: { readonly match: Match; readonly host: Json } = restoreMatch(
      definition,
      kept.bytes,
    );
    const saved = readSavedRoom(host);
    this.#savesOf.set(id, kept.save);
    return { match, saved };
  }

  /** Keeps what `bytes` gives at once. Never rejects: what cannot be kept is told, and kept the next time. */
  async keep(id: string, bytes: () => Uint8Array): Promise<void> {
    const save = (this.#savesOf.get(id) ?? 0) + 1;
    this.#savesOf.set(id, save);
    try {
      await this.#saves.write(nameOf(id), save, bytes());
    } catch (error) {
      this.#report(error);
    }
  }

  /** A room is over. */
  forget(id: string): void {
    this.#savesOf.delete(id);
  }

  /**
   * Rooms have come or gone.
   *
   * @param ids which there are by then
   */
  indexChanged(ids: () => Iterable<string>): void {
    if (this.#isStopped) return;
    this.#cancelIndex ??= this.#clock.after(INDEX_DELAY_MS, () => {
      this.#cancelIndex = undefined;
      void this.writeIndex(ids());
    });
  }

  /** From now on the index is kept by `writeIndex` alone. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelIndex?.();
  }

  /** Never rejects: an index that cannot be kept is told. */
  writeIndex(ids: Iterable<string>): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify([...ids]));
    this.#writingIndex = this.#writingIndex.then(async () => {
      this.#indexSave += 1;
      try {
        await this.#saves.write(INDEX, this.#indexSave, bytes);
      } catch (error) {
        this.#report(error);
      }
    });
    return this.#writingIndex;
  }
}

function nameOf(id: string): string {
  return `${SAVES_NAMESPACE}:${id}`;
}
