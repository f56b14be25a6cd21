import type { Json } from "@zocalo/protocol";
import { RoomError } from "../contracts/errors.ts";
import type { Rows } from "../contracts/rows.ts";
import type { EntityOf, Fields, KindName, Kinds } from "../schema/types.ts";
import type { RoomDefinition } from "./definition.ts";
import { Match, MatchSeat } from "./match.ts";

/** Of what follows; another number is another form. */
const FORM = 1;
const LENGTH_BYTES = 4;

/** What a checkpoint says beside its rows, as JSON. */
interface CheckpointHead {
  readonly form: number;
  readonly hash: number;
  readonly mode: string;
  readonly id: string;
  readonly tick: number;
  readonly random: number;
  readonly state: Json;
  readonly isPrivate: boolean;
  readonly owner: string;
  readonly options: Json;
  readonly seats: readonly SavedSeat[];
  /** Rows in use, and slots of which the generation is known. */
  readonly end: number;
  readonly slots: number;
  /** The host's own: who has which seat, and inputs that were not applied yet. */
  readonly host: Json;
}

interface SavedSeat {
  readonly number: number;
  readonly user: string;
  readonly name: string;
  readonly isBot: boolean;
  readonly isAway: boolean;
  readonly displayed: number;
  /** -1: it was removed. */
  readonly slot: number;
}

/** A match as it was between two ticks, and what was kept with it. */
export interface RestoredMatch<K extends Kinds, I extends Fields, P extends KindName<K>> {
  /** It goes on with `run`. */
  readonly match: Match<K, I, P>;
  /** What `saveMatch` was given beside it. */
  readonly host: Json;
  /** How many bytes of what was read it took. */
  readonly length: number;
}

/**
 * Everything of a match between two ticks, as bytes: a match that is made of them goes on as this one does.
 * In them stands 4 bytes of length, the lower first; JSON; and then of the rows the kinds, and, at the next
 * multiple of 4, the generations and the cells, each in 4 bytes, the lower first.
 *
 * @param host whatever else is to be kept with it; default null
 * @returns the application's own. **Risk**: what is hidden from players is in it, too.
 * @example
 * const bytes = saveMatch(match);
 * const { match: copy } = restoreMatch(definition, bytes);
 */
export function saveMatch<K extends Kinds, I extends Fields, P extends KindName<K>>(
  match: Match<K, I, P>,
  host: Json = null,
): Uint8Array {
  const { world } = match;
  const { end, kinds, generations, cells, layout } = world;
  const seats: SavedSeat[] = match.seats.map(({ number, user, name, isBot, isAway, displayed, entity }) => {
    return { number, user, name, isBot, isAway, displayed, slot: entity.isAlive ? entity.slot : -1 };
  });
  const head: CheckpointHead = {
    form: FORM,
    hash: layout.hash,
    mode: match.mode,
    id: match.id,
    tick: match.tick,
    random: match.chance.state,
    state: match.state,
    isPrivate: match.isPrivate,
    owner: match.owner,
    options: match.options,
    seats,
    end,
    slots: generations.length,
    host,
  };
  const json = new TextEncoder().encode(JSON.stringify(head));
  const kindsAt = LENGTH_BYTES + json.length;
  const generationsAt = aligned(kindsAt + end);
  const cellsAt = generationsAt + 4 * generations.length;
  const bytes = new Uint8Array(cellsAt + 4 * end * layout.stride);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, json.length, true);
  bytes.set(json, LENGTH_BYTES);
  bytes.set(kinds.subarray(0, end), kindsAt);
  for (let slot = 0; slot < generations.length; slot++) {
    view.setUint32(generationsAt + 4 * slot, generations[slot] ?? 0, true);
  }
  for (let i = 0; i < end * layout.stride; i++) view.setInt32(cellsAt + 4 * i, cells[i] ?? 0, true);
  return bytes;
}

/** Of which mode and room a checkpoint is. @throws RoomError `invalid_value` for what is none */
export function readHead(bytes: Uint8Array): Pick<CheckpointHead, "mode" | "id" | "hash" | "tick"> {
  return parseHead(bytes).head;
}

/**
 * Makes a match of what `saveMatch` gave. **Risk**: bytes are believed, since they come from the server's own
 * store; give it none of a stranger's.
 *
 * @throws RoomError `invalid_value` for what is no checkpoint, `other_schema` for one of another game or
 *   version
 * @example
 * const { match, host } = restoreMatch(definition, checkpoint); // what `saveMatch` gave
 */
export function restoreMatch<K extends Kinds, I extends Fields, P extends KindName<K>>(
  definition: RoomDefinition<K, I, P>,
  bytes: Uint8Array,
): RestoredMatch<K, I, P> {
  const { head, kindsAt } = parseHead(bytes);
  const { layout } = definition.game;
  if (head.hash !== layout.hash) {
    throw new RoomError(
      "other_schema",
      `the checkpoint's hash is ${head.hash}; allowed: ${layout.hash}, of this game`,
    );
  }
  const { end, slots } = head;
  const generationsAt = aligned(kindsAt + end);
  const cellsAt = generationsAt + 4 * slots;
  const length = cellsAt + 4 * end * layout.stride;
  if (bytes.length < length) throw noCheckpoint(`${bytes.length} bytes of ${length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const rows: Rows = {
    layout,
    end,
    kinds: bytes.slice(kindsAt, kindsAt + end),
    generations: Uint32Array.from({ length: slots }, (_, slot) =>
      view.getUint32(generationsAt + 4 * slot, true),
    ),
    cells: Int32Array.from({ length: end * layout.stride }, (_, i) => view.getInt32(cellsAt + 4 * i, true)),
  };
  const { mode, id, isPrivate, owner, options, random } = head;
  const match = new Match(definition, { id, mode, isPrivate, owner, options, seed: random });
  match.world.copyFrom(rows);
  match.tick = head.tick;
  match.state = head.state;
  for (const saved of head.seats) {
    const seat = new MatchSeat<K, P>(saved.number, saved.user, saved.name, saved.isBot);
    seat.isAway = saved.isAway;
    seat.displayed = saved.displayed;
    seat.entity = entityAt(match, saved.slot);
    match.takeSeat(seat);
  }
  return { match, host: head.host, length };
}

/** The entity in a slot; for one that was gone when it was saved an entity that is gone. */
function entityAt<K extends Kinds, I extends Fields, P extends KindName<K>>(
  match: Match<K, I, P>,
  slot: number,
): EntityOf<K, P> {
  const entity = slot < 0 ? undefined : match.world.get(slot);
  if (entity !== undefined) return entity as EntityOf<K, P>;
  // An empty world's own: nothing that is added to the match's is it.
  const world = match.definition.game.world({ maxEntities: 1 });
  const gone = world.add(match.definition.game.player);
  world.remove(gone);
  return gone;
}

function parseHead(bytes: Uint8Array): { readonly head: CheckpointHead; readonly kindsAt: number } {
  if (bytes.length < LENGTH_BYTES) throw noCheckpoint(`${bytes.length} bytes`);
  const kindsAt = LENGTH_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (kindsAt > bytes.length) throw noCheckpoint(`${bytes.length} bytes of at least ${kindsAt}`);
  let head: CheckpointHead;
  try {
    head = JSON.parse(new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, kindsAt))) as CheckpointHead;
  } catch (cause) {
    throw noCheckpoint("no JSON", cause);
  }
  if (head?.form !== FORM) throw noCheckpoint(`of form ${String(head?.form)}, not ${FORM}`);
  return { head, kindsAt };
}

function noCheckpoint(what: string, cause?: unknown): RoomError {
  const error = new RoomError("invalid_value", `this is no checkpoint of a match: ${what}`);
  error.cause = cause;
  return error;
}

function aligned(at: number): number {
  return (at + 3) & ~3;
}
