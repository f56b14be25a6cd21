import { Database } from "./database.ts";
import type { DraftLimits, Drafts } from "./drafts.ts";
import { StoredDrafts } from "./stored-drafts.ts";
import type { KeptEntry, NewEntry, OpenOutbox, OutboxStore } from "../outbox/keep.ts";
import { RollCall } from "./roll-call.ts";
import { uniqueName } from "../primitives/unique-name.ts";

/** What a `browserStore` is. */
export interface BrowserStore extends OutboxStore {
  readonly drafts: Drafts;
  /** Forgets everything, for instance when the user signs out. Close the session before. */
  erase(): Promise<void>;
}

/** As it is stored. */
interface Row extends NewEntry {
  readonly id?: number;
  /** The session that has it. */
  readonly owner: string;
}

/**
 * Keeps publications and drafts in IndexedDB. All tabs of this origin share them: each session sends its own,
 * and when its page is closed, reloaded or crashes, one of the others goes on with what it left.
 *
 * @param name of the database, one for each user
 * @example
 * const store = browserStore("chat of ana");
 * const keep = { store, left: (publication) => show(publication) };
 * const session = connect("wss://example.org/ws", { token, keep });
 */
export function browserStore(name: string, limits: DraftLimits = {}): BrowserStore {
  const database = new Database(`zocalo:${name}`, (made) => {
    const outbox = made.createObjectStore("outbox", { keyPath: "id", autoIncrement: true });
    // Numbers go on from there: no session that still knows one of an erased store finds another row there.
    const first = Math.floor(Math.random() * 2 ** 52);
    outbox.put({ id: first }).onsuccess = () => outbox.delete(first);
    made.createObjectStore("drafts", { keyPath: "name" }).createIndex("at", "at");
  });
  const drafts = new StoredDrafts(database, limits);
  return {
    drafts,
    open: (left) => openOutbox(database, left),
    async erase() {
      drafts.forget();
      await database.erase();
    },
  };
}

async function openOutbox(
  database: Database,
  left: (entries: readonly KeptEntry[]) => void,
): Promise<OpenOutbox> {
  const owner = uniqueName();
  const rollCall = new RollCall(database.name, owner, (id) => void takeOver([id]).catch(() => {}));
  /** What they left is this session's now. What cannot be taken now the next session takes. */
  const takeOver = async (ids: readonly string[]): Promise<void> => {
    const taken = await database.write("outbox", (store) => {
      const mine: KeptEntry[] = [];
      each(store, (row) => {
        if (!ids.includes(row.owner)) return;
        mine.push(row);
        store.put({ ...row, owner } satisfies Row);
      });
      return mine;
    });
    if (taken.length > 0) left(taken);
  };
  const owners = await database.write("outbox", (store) => {
    const found = new Set<string>();
    each(store, (row) => void found.add(row.owner));
    return found;
  });
  await rollCall.begin();
  await takeOver(await rollCall.areOver([...owners]));

  /** Those of `ids` that are this session's. */
  const visit = (ids: readonly number[], mine: (store: IDBObjectStore, row: Row, index: number) => void) =>
    database.write("outbox", (store) => {
      for (const [index, id] of ids.entries()) {
        const request = store.get(id) as IDBRequest<Row | undefined>;
        request.onsuccess = () => {
          if (request.result?.owner === owner) mine(store, request.result, index);
        };
      }
    });
  return {
    add: (entries) =>
      database.write("outbox", (store) => {
        const ids: number[] = [];
        for (const [index, entry] of entries.entries()) {
          const request = store.add({ ...entry, owner } satisfies Row);
          request.onsuccess = () => (ids[index] = Number(request.result));
        }
        return ids;
      }),
    async begin(ids, sentAt) {
      const ours = ids.map(() => false);
      await visit(ids, (store, row, index) => {
        ours[index] = true;
        store.put({ ...row, sentAt } satisfies Row);
      });
      return ours;
    },
    remove: (ids) => visit(ids, (store, _, index) => void store.delete(ids[index] ?? 0)),
    async close() {
      rollCall.end();
    },
  };
}

/** Calls `run` for each row, in the order in which they came. */
function each(store: IDBObjectStore, run: (row: Row & KeptEntry) => void): void {
  const request = store.openCursor();
  request.onsuccess = () => {
    const cursor = request.result;
    if (cursor === null) return;
    run(cursor.value as Row & KeptEntry);
    cursor.continue();
  };
}
