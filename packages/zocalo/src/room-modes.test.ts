import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { UserError } from "./exit-code.ts";
import { loadRoomModes } from "./room-modes.ts";

const ROOM = fileURLToPath(new URL("../../room/src/index.ts", import.meta.url));
const GAME = `
import { bool, defineGame, defineRoom, int } from ${JSON.stringify(ROOM)};
const game = defineGame({
  version: 1,
  ticksPerSecond: 20,
  kinds: { player: { points: int(0, 9) } },
  input: { jumps: bool() },
});
const room = defineRoom({ game, seats: 2, join: ({ world }) => world.add("player") });
`;

/** A folder with files in it. */
function folder(t: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-rooms-"));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

test("games of several files are served together, from paths that begin in the directory", async (t) => {
  const files = {
    "one.mjs": `${GAME} export default { one: room };`,
    "two.mjs": `${GAME} export default { two: room, three: room };`,
  };
  const modes = await loadRoomModes({ arena: "off", rooms: ["one.mjs", "./two.mjs"] }, folder(t, files));
  assert.deepEqual(Object.keys(modes ?? {}), ["one", "two", "three"]);
});

test("without games there are no rooms", async () => {
  assert.equal(await loadRoomModes({ arena: "off", rooms: [] }, "/"), undefined);
});

const BAD: readonly (readonly [what: string, text: string, sentence: RegExp])[] = [
  ["what throws", "throw new Error('out of luck');", /: out of luck\.$/],
  ["what is no JavaScript", "export default {", /: Unexpected end of input\.$|: .+\.$/],
  ["no default export", "export const game = 1;", /: its default export has no games: /],
  ["an empty one", "export default {};", /: its default export has no games: /],
  ["a game that is none", "export default { chess: 5 };", /: its chess is not what `defineRoom` gives\.$/],
  ["a game without `join`", `${GAME} export default { a: { ...room, join: 1 } };`, /: its a is not what /],
  ["a package that is not there", "import 'nosuch-package';", /: Cannot find package 'nosuch-package' /],
];

for (const [what, text, sentence] of BAD) {
  test(`${what} is told in one sentence`, async (t) => {
    const directory = folder(t, { "game.mjs": text });
    await assert.rejects(loadRoomModes({ arena: "off", rooms: ["./game.mjs"] }, directory), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /^Cannot load the rooms of \.\/game\.mjs: [^\n]+$/);
      assert.match(error.message, sentence);
      return true;
    });
  });
}

test("a file that is not there, and a game of the same name, are told likewise", async (t) => {
  const directory = folder(t, { "game.mjs": `${GAME} export default { one: room };` });
  const load = (...rooms: string[]) => loadRoomModes({ arena: "off", rooms }, directory);
  await assert.rejects(load("nosuch.mjs"), {
    message: "Cannot load the rooms of nosuch.mjs: there is no such file.",
  });
  await assert.rejects(load("game.mjs", "./game.mjs"), {
    message: "Cannot load the rooms of ./game.mjs: there is another game that is called one.",
  });
});
