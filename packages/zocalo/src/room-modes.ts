import { statSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { RoomError, type RoomMode } from "@zocalo/room";
import { UserError } from "./exit-code.ts";
import type { Settings } from "./settings.ts";

/** Games by the name under which their rooms are joined. */
export type RoomModes = Readonly<Record<string, RoomMode>>;

/** The built game, beside the built pages. Its page is at `/arena/`. */
const ARENA = fileURLToPath(new URL("../games/arena.js", import.meta.url));

/**
 * Loads the games whose rooms are served: arena, where it is built, and those of the setting `rooms`.
 *
 * @param directory where relative paths begin.
 * @returns `undefined` if there are none.
 * @throws UserError with one sentence for what is not there, does not run, or is no game.
 */
export async function loadRoomModes(
  { arena, rooms }: Pick<Settings, "arena" | "rooms">,
  directory: string,
): Promise<RoomModes | undefined> {
  const modes = new Map<string, RoomMode>();
  if (arena === "on" && isFile(ARENA)) await loadInto(modes, ARENA, ARENA);
  for (const path of rooms) await loadInto(modes, path, resolve(directory, path));
  return modes.size === 0 ? undefined : Object.fromEntries(modes);
}

/** What somebody threw, in one sentence. */
export function sentenceOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0]?.replace(/\.$/, "") ?? "";
}

async function loadInto(modes: Map<string, RoomMode>, name: string, file: string): Promise<void> {
  if (!isFile(file)) throw bad(name, "there is no such file");
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(file).href)) as typeof module;
  } catch (error) {
    throw bad(name, sentenceOf(error));
  }
  const games: unknown = module.default;
  if (typeof games !== "object" || games === null || Object.keys(games).length === 0) {
    throw bad(name, "its default export has no games: `export default { mode: defineRoom({ … }) }`");
  }
  for (const [mode, game] of Object.entries(games)) {
    if (!isRoom(game)) throw bad(name, `its ${mode} is not what \`defineRoom\` gives`);
    if (modes.has(mode)) throw bad(name, `there is another game that is called ${mode}`);
    modes.set(mode, game);
  }
}

/** The rest is checked by `Rooms`. */
function isRoom(game: unknown): game is RoomMode {
  if (typeof game !== "object" || game === null) return false;
  const { game: shared, seats, join } = game as Partial<Record<"game" | "seats" | "join", unknown>>;
  const isGame = typeof shared === "object" && shared !== null && "layout" in shared;
  return isGame && typeof seats === "number" && typeof join === "function";
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function bad(path: string, why: string): UserError {
  return new UserError(`Cannot load the rooms of ${path}: ${why}.`);
}

/** What `Rooms` says of a game that it refuses. */
export function refusedGame(error: unknown): unknown {
  return error instanceof RoomError ? new UserError(`Cannot serve rooms: ${error.message}.`) : error;
}
