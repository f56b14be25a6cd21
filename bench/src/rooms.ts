import { loadavg } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { someAtATime } from "./hub-load.ts";
import { settledRss, STEADY_HEAP } from "./measure.ts";
import { figure, type Results, ratioTable, writeResults } from "./results.ts";
import { randomNumbers } from "./room/scenes.ts";
import { SEED } from "./rooms/game.ts";
import { enter, openSession } from "./rooms/player.ts";
import { measurePrediction, measureScreen, type SeenScale } from "./rooms/seen.ts";
import { figuresOf, startPinned, stopServers } from "./rooms/servers.ts";
import { OPEN } from "./rooms/wire.ts";
import { measureWork, type WorkScale } from "./rooms/work.ts";
import { pinLoad } from "./udp.ts";

export const title = "Rooms at work: CPU and lateness of ticks, idle rooms, input to screen, prediction";

/** How much is measured: of the full run, and of the quick one. */
interface Scale extends WorkScale, SeenScale {
  readonly idle: number;
}
const FULL: Scale = {
  warmMs: 5_000,
  workMs: 20_000,
  crowd: 100,
  rooms: 50,
  idle: 1_000,
  pressMs: 45_000,
  windows: 6,
};
const QUICK: Scale = {
  warmMs: 1_000,
  workMs: 2_000,
  crowd: 20,
  rooms: 5,
  idle: 100,
  pressMs: 2_000,
  windows: 1,
};

/**
 * Rooms in a server of their own, and their clients in other processes. They join over WebSocket, acknowledge
 * snapshots and send inputs, over sealed datagrams if nothing else is said. Those of rooms at work do no more
 * than that, so that the load is not what is measured; all others are whole: they read snapshots, predict,
 * and show. Prints, and writes `rooms-*` in `bench/results`.
 *
 * @param args `--quick` for a short run with fewer clients that writes nothing; `--only work`, `idle`,
 *   `screen` or `prediction` for a part; `--profile DIRECTORY` for CPU profiles of the servers at work.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const scale = isQuick ? QUICK : FULL;
  pinLoad();
  const only = args[args.indexOf("--only") + 1];
  const directory = args[args.indexOf("--profile") + 1];
  const profile = args.includes("--profile") ? ["--cpu-prof", `--cpu-prof-dir=${directory}`] : [];
  const parts: Readonly<Record<string, () => Promise<Record<string, Results>>>> = {
    work: () => measureWork(scale, profile),
    idle: () => measureIdle(scale),
    screen: () => measureScreen(scale),
    prediction: () => measurePrediction(scale),
  };
  const busy = `Load average of the machine at the start: ${figure(loadavg()[0] ?? Number.NaN)}.`;
  console.log(`  ${busy}`);
  try {
    for (const [part, measure] of Object.entries(parts)) {
      if (args.includes("--only") && part !== only) continue;
      for (const [name, found] of Object.entries(await measure())) {
        const results = { ...found, notes: [busy, ...(found.notes ?? [])] };
        console.log();
        if (isQuick) console.log(ratioTable(results));
        else writeResults(name, results);
      }
    }
  } finally {
    await stopServers();
  }
}

/** Memory of rooms in which nobody is: where nobody ever was, and where somebody has played. */
async function measureIdle({ idle }: Scale): Promise<Record<string, Results>> {
  const server = await startPinned(STEADY_HEAP);
  const session = openSession(server.port);
  const settled = async (): Promise<{ resident: number; heap: number }> => {
    const resident = await settledRss(server);
    return { resident, heap: (await figuresOf(session)).heapBytes };
  };
  await session.call(OPEN, { count: 0 });
  await visit([undefined]); // What the first one alone takes.
  const before = await settled();
  const ids = await session.call<string[]>(OPEN, { count: idle });
  const empty = await settled();
  await visit(ids);
  const visited = await settled();
  await session.close();
  await server.stop();

  /** Somebody plays in each for a while, and leaves. */
  async function visit(rooms: readonly (string | undefined)[]): Promise<void> {
    await someAtATime(rooms.length, 20, async (number) => {
      const random = randomNumbers(SEED + number);
      const player = await enter(server.port, "hall", "session", random, rooms[number]);
      while (player.play.time < 5) {
        player.advance();
        await wait(10);
      }
      await player.leave();
    });
  }

  const columns = [`${idle} empty rooms`, `${idle} that were left`] as const;
  const [first, second] = columns;
  return {
    "rooms-idle": {
      title: "Idle rooms: memory of all of them, of one seat each",
      unit: "MB",
      isLessBetter: true,
      baseline: null,
      columns,
      rows: (["resident", "heap"] as const).map((name) => ({
        name,
        values: {
          [first]: (empty[name] - before[name]) / 1e6,
          [second]: (visited[name] - before[name]) / 1e6,
        },
      })),
    },
  };
}
