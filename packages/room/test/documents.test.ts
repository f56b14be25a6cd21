// What the README, the guide and the protocol's page say of rooms, held against the sources: the names of
// options, figures, messages and fields, and the numbers that stand there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { defaultRoomsOptions } from "../src/host/options.ts";
import * as room from "../src/index.ts";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const readme = read("README.md");
const protocol = read("../../docs/protocol-room.md");
const guide = read("../../docs/guide-game.md");
const wire = read("src/contracts/wire.ts");

/** As the documents write numbers. */
const written = (value: number): string => value.toLocaleString("en-US");

/** The body of an interface, or of a type. */
function bodyOf(file: string, name: string): string {
  const [, body] =
    new RegExp(`(?:interface|type) ${name}\\b[^{=]*[{=](.*?)\\n(?:\\}|\\n)`, "s").exec(file) ?? [];
  assert.ok(body !== undefined, name);
  return body.replaceAll(/\/\*\*.*?\*\//gs, "");
}

/** What an interface declares, by name; those that may be left out end in "?". */
function fieldsOf(path: string, name: string): string[] {
  const fields = bodyOf(read(path), name).matchAll(/^ {2}(?:readonly )?(\w+\??)[:(<]/gm);
  return [...fields].map(([, field = ""]) => field);
}

const without = (name: string): string => name.replace("?", "");

/** The number of a constant that is no option. */
function constant(path: string, name: string): number {
  const [, value] = new RegExp(`const ${name} = ([\\d_]+);`).exec(read(path)) ?? [];
  assert.ok(value !== undefined, `${path} has no ${name}`);
  return Number(value.replaceAll("_", ""));
}

/** The rows of the table that has this heading, cell by cell. */
function tableOf(document: string, heading: string): string[][] {
  const [, after] = document.split(`\n${heading}`);
  assert.ok(after !== undefined, heading);
  const [table = ""] = after.split("\n\n");
  const rows = table.split("\n").filter((line) => /^\|(?! ---)/.test(line));
  return rows.map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

/** The row whose first cell names this, be it beside others or as a call. */
function rowOf(rows: readonly string[][], name: string): string[] | undefined {
  return rows.find(([first = ""]) => new RegExp(`\`${name}\\b|[{ ]${name}\\b`).test(first));
}

const tables = [
  ["| of `defineRoom` |", "src/match/definition.ts", "RoomDefinition"],
  ["| of `Rooms` |", "src/host/options.ts", "RoomsOptions"],
  ["| option | what it is | default |", "src/join/options.ts", "JoinOptions"],
  ["| option | what it is | default |", "src/play/prediction.ts", "PredictionOptions"],
  ["| option | what it is | default |", "src/snapshot/reader.ts", "SnapshotLimits"],
  ["| option | | unit | default |", "src/input/buffer.ts", "InputBufferOptions"],
  ["| option | | default |", "src/contracts/matching.ts", "MatchQueueOptions"],
] as const;

for (const [heading, path, name] of tables) {
  test(`every option of ${name} stands in its table`, () => {
    const options = fieldsOf(path, name).map(without);
    const rows = tableOf(readme, heading);
    assert.ok(options.length > 0);
    assert.deepEqual(
      options.filter((option) => rowOf(rows, option) === undefined),
      [],
    );
  });
}

const defaults = [
  ["| of `defineRoom` |", room.defaultRoomDefinition],
  ["| of `Rooms` |", defaultRoomsOptions],
  ["| option | | default |", room.defaultMatchQueueOptions],
] as const;

test("each default of the tables is that of the code, and stands where its name does", () => {
  for (const [heading, values] of defaults) {
    for (const [name, value] of Object.entries(values)) {
      const [first = "", , last = ""] = rowOf(tableOf(readme, heading), name) ?? [];
      const names = [...first.matchAll(/`(\w+)/g)].map(([, one]) => one);
      const said = last.replace(`\`${name}\` `, "").split("; ");
      assert.equal(names.length > 1 ? said[names.indexOf(name)] : said[0], written(value), name);
    }
  }
  for (const [heading, values] of [
    ["**Defaults** of `udpLanes`", room.defaultUdpLanesOptions],
    ["No STUN", room.defaultWebRtcLanesOptions],
  ] as const) {
    const section = readme.slice(readme.indexOf(heading));
    for (const [name, value] of Object.entries(values))
      assert.equal(
        /\| ([\d,]+)/.exec(section.slice(section.indexOf(`| \`${name}\` |`)))?.[1],
        written(value),
        name,
      );
  }
});

test("the limits that are no options are those of the code", () => {
  const rows = tableOf(readme, "| limits that are no options |");
  const limits: readonly (readonly [string, ...number[]])[] = [
    ["a name", constant("src/host/requests.ts", "MAX_NAME_LENGTH")],
    ["`create.options`", constant("src/host/requests.ts", "MAX_OPTIONS_LENGTH")],
    ["events of one player", constant("src/host/seating.ts", "MAX_EVENTS")],
    [
      "what `room.send` keeps",
      constant("src/host/outbox.ts", "MOST"),
      constant("src/host/outbox.ts", "MOST_CHARACTERS"),
    ],
    ["what of it is kept once", constant("src/host/outbox.ts", "MOST_GIVEN_CHARACTERS")],
    ["what of that is handed over", constant("src/host/running-room.ts", "SAID_CHARACTERS")],
    ["the `text` of `room.kick`", constant("src/match/match.ts", "MAX_KICK_TEXT")],
    ["`banMs`", Number(/banMs <= ([\d_]+)/.exec(read("src/host/requests.ts"))?.[1]?.replaceAll("_", ""))],
    ["bans of a room", constant("src/host/bans.ts", "MOST")],
    ["the list of rooms", constant("src/host/list.ts", "MOST")],
  ];
  assert.equal(rows.length, limits.length);
  for (const [what, ...numbers] of limits) {
    const [, said = ""] = rows.find(([first = ""]) => first.startsWith(what)) ?? [];
    for (const number of numbers) assert.match(said, new RegExp(`(?<!\\d)${written(number)}(?!,?\\d)`), what);
  }
});

test("the README says what a play has, and every code with which joining fails", () => {
  const rows = tableOf(readme, "| `play.…` |");
  const has = (path: string): string[] => {
    const members = read(path).matchAll(/^ {2}(?:get |async )?([a-z]\w*)\(.*\{$/gm);
    return [...members]
      .map(([, name = ""]) => name)
      .filter((name) => !["constructor", "enter"].includes(name));
  };
  const members = [...has("src/join/play.ts"), ...has("src/join/membership.ts")];
  assert.ok(members.length > 15);
  assert.deepEqual(
    members.filter((name) => rowOf(rows, name) === undefined),
    [],
  );
  const refusals = [...bodyOf(wire, "JoinRefusal").matchAll(/"(\w+)"/g)].map(([, code = ""]) => code);
  const ends = [...bodyOf(wire, "EndedMessage").matchAll(/"(\w+)"/g)].map(([, code = ""]) => code);
  const [, said = ""] = /\n(\*\*What is refused\*\*.*?)\n\n/s.exec(readme) ?? [];
  assert.ok(refusals.length > 5 && ends.length > 4);
  assert.deepEqual(
    [...refusals, ...ends, "bad_answer"].filter((code) => !said.includes(`\`${code}\``)),
    [],
  );
});

test("the table of numbers in the guide has each figure, and no other", () => {
  const rows = tableOf(guide, "| number | what it is | unit | usual |");
  const named = rows.flatMap(([first = ""]) =>
    [...first.matchAll(/`([\w.]+)`/g)].map(([, name = ""]) => name),
  );
  const ofServer = ["latenessP99Ms", "skipped"];
  const stats = fieldsOf("src/contracts/wire.ts", "RoomStats");
  assert.deepEqual(
    ofServer.filter((name) => !stats.includes(name)),
    [],
  );
  assert.ok("delay" in new room.ClientTime({ ticksPerSecond: 30 }).display);
  const known = [
    ...fieldsOf("src/join/figures.ts", "Figures"),
    ...ofServer,
    "time.display.delay",
    "play.stats",
  ];
  assert.deepEqual([...new Set(named)].sort(), known.filter((name) => name !== "play.stats").sort());
});

test("the numbers in the guide are those of the code", () => {
  const rows = tableOf(guide, "| number | what it is | unit | usual |");
  const ticks = (path: string, name: string): string => written(constant(path, name));
  const said: readonly (readonly [string, string])[] = [
    ["roundTripMs", `the last ${ticks("src/timing/jitter.ts", "ARRIVALS")} snapshots`],
    ["roundTripMs", `some ${Math.floor(constant("src/timing/jitter.ts", "ARRIVALS") / 30)} s`],
    ["roundTripMs", `above ${written(room.defaultRoomDefinition.maxRewindMs)} others`],
    ["lossShare", `the last ${ticks("src/join/figures.ts", "WINDOW_TICKS")} ticks`],
    ["bytesInPerSecond", `at ${written(room.DEFAULT_BUDGET_BYTES)} bytes a tick`],
    ["predictionErrorQuanta", `the last ${ticks("src/play/prediction.ts", "COMPARED")} snapshots`],
    ["latenessP99Ms", "how late ticks began"],
  ];
  for (const [name, words] of said)
    assert.ok(rowOf(rows, name)?.join(" | ").includes(words), `${name}: ${words}`);
  const [, rate] = /INPUT_RATE = 0\.0(\d)/.exec(read("src/timing/steering.ts")) ?? [];
  assert.ok(rowOf(rows, "inputDepth")?.at(-1)?.includes(`within ${rate} %`));
  assert.equal(constant("src/input/packet.ts", "INPUTS_PER_PACKET"), 3);
  assert.ok(rowOf(rows, "lossShare")?.at(-1)?.includes("sent three times"));
  assert.equal(constant("src/timing/ticker.ts", "DEFAULT_MAX_BEHIND"), 5);
  assert.ok(rowOf(rows, "skipped")?.at(-1)?.includes("more than five ticks"));
});

/** What a cell of the protocol's tables says of the shapes in it: a list of names for each. */
function shapesIn(cell: string): string[][] {
  const flat = cell.replaceAll(/: \{[^{}]*\}/g, "");
  return [...flat.matchAll(/\{([^{}]*)\}/g)].map(([, names = ""]) =>
    names
      .split(",")
      .map((name) => name.split(":")[0]?.trim() ?? "")
      .filter((name) => name !== ""),
  );
}

const calls = tableOf(protocol, "| call | input | answer |");
const messages = tableOf(protocol, "| message | data |");

test("every call and message of the wire is on the page, and no other", () => {
  const names = [...wire.matchAll(/^export const \w+ = "(room\.\w+)";/gm)].map(([, name = ""]) => name);
  const said = [...calls, ...messages].map(([first = ""]) => first.replaceAll("`", ""));
  assert.ok(names.length > 9);
  assert.deepEqual([...new Set(said)].sort(), names.sort());
});

const shapes = [
  [calls, "room.join", 1, "JoinRequest"],
  [calls, "room.join", 2, "JoinAnswer"],
  [calls, "room.lane", 2, "LaneTicket"],
  [calls, "room.kick", 1, "KickRequest"],
  [calls, "room.stats", 2, "RoomStats"],
  [calls, "room.match", 1, "MatchRequest"],
  [messages, "room.ended", 1, "EndedMessage"],
] as const;

for (const [table, call, cell, shape] of shapes) {
  test(`the page says what a ${shape} consists of`, () => {
    const [said] = shapesIn(rowOf(table, call)?.[cell] ?? "");
    assert.deepEqual(said?.sort(), fieldsOf("src/contracts/wire.ts", shape).sort());
  });
}

test("the page says what news of a match consist of, what a lane is asked with, and each code", () => {
  const [waiting, found, refused] = shapesIn(rowOf(messages, "room.match")?.[1] ?? "");
  const variants = [...wire.slice(wire.indexOf("type MatchNews")).matchAll(/\{(.*?)\}/gs)].map(
    ([, body = ""]) => [...body.matchAll(/readonly (\w+\??):/g)].map(([, name = ""]) => name).sort(),
  );
  assert.deepEqual([waiting?.sort(), found?.sort(), refused?.sort()], variants);
  const kinds = [...bodyOf(wire, "LaneRequest").matchAll(/kind: "(\w+)"/g)].map(
    ([, kind]) => `kind: "${kind}"`,
  );
  assert.ok(kinds.length === 2 && kinds.every((kind) => rowOf(calls, "room.lane")?.[1]?.includes(kind)));
  const [, section = ""] = /\n(\*\*Refused\*\*.*?)\n\n/s.exec(protocol) ?? [];
  const codes = [...bodyOf(wire, "JoinRefusal").matchAll(/"(\w+)"/g)].map(([, code]) => code);
  const reasons = [...bodyOf(wire, "EndedMessage").matchAll(/"(\w+)"/g)].map(([, code]) => code);
  assert.deepEqual(
    codes.filter((code) => !section.includes(`\`${code}\``)),
    [],
  );
  assert.deepEqual(
    reasons.filter((code) => rowOf(messages, "room.ended")?.[1]?.includes(`\`${code}\``) !== true),
    [],
  );
});

test("the pauses before a join is repeated are those of the client", () => {
  const [first, longest] = ["FIRST_PAUSE_MS", "LONGEST_PAUSE_MS"].map((name) =>
    constant("src/join/answer.ts", name),
  );
  assert.ok(
    protocol.includes(`about ${first} ms, twice as long each time, at most ${Number(longest) / 1_000} s`),
  );
});
