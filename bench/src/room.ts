import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ask } from "./ask.ts";
import { alternate, median } from "./measure.ts";
import { figure, type Results, ratioTable, writeResults } from "./results.ts";
import { readBoxes } from "./room/boxes.ts";
import { type BoxesRun, tellBoxes } from "./room/boxes-run.ts";
import { type SceneName, SCENES } from "./room/scenes.ts";
import type { Answer, Question } from "./room/worker.ts";

export const title = "Rooms: bytes and server CPU of what clients are told, beside @colyseus/schema";

const OURS = "@zocalo/room";
const PEER = "@colyseus/schema";

/** How a scene is measured, and at most what shares of the peer's are wanted of it. */
interface Plan {
  /** Whose bytes are counted and compared, and so many that a round is some tenths of a second. */
  readonly verifiedTicks: number;
  readonly ticks: number;
  readonly bytesShare: number;
  readonly cpuShare: number;
}

const PLANS: Readonly<Record<SceneName, Plan>> = {
  "10 players": { verifiedTicks: 1_500, ticks: 6_000, bytesShare: 0.4, cpuShare: 0.6 },
  "100 players": { verifiedTicks: 150, ticks: 600, bytesShare: 0.4, cpuShare: 0.6 },
  "1,000 moving, 20 clients": { verifiedTicks: 150, ticks: 150, bytesShare: 0.4, cpuShare: 0.2 },
};
const SCENE_NAMES = Object.keys(PLANS) as SceneName[];
/** Kilobits a second of the recording of boxes: what is wanted, and the aim. */
const BOXES_WANTED = 340;
const BOXES_AIM = 280;
const BOXES_SEED = 12;

/** What was found of one scene on one Node, by contender, for each client and tick. */
type Found = Readonly<Record<typeof OURS | typeof PEER, { readonly bytes: number; readonly cpuUs: number }>>;

/**
 * What 10 players, 100 players, and 20 clients among 1,000 that move are told 30 times a second over 150 ms
 * and 5 % loss: bytes for each client and tick, and processor time of the server; and what a recording of
 * boxes takes. Encoding only: the game, finding out whom each client sees, and the transport with its framing
 * are left out for all. Before, each contender's clients are compared with the game. Prints, and writes
 * `room-bytes`, `room-cpu` and `room-boxes` in `bench/results`.
 *
 * @param args `--quick` for a short run that writes nothing; `--node PATH` for one more Node to measure on,
 *   as often as wanted.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const runtimes = [process.execPath, ...args.filter((_, i) => args[i - 1] === "--node")];
  const found = new Map<string, Record<SceneName, Found>>();
  for (const runtime of runtimes) {
    const version = execFileSync(runtime, ["--version"], { encoding: "utf8" });
    const scenes: Partial<Record<SceneName, Found>> = {};
    for (const scene of SCENE_NAMES) scenes[scene] = await measureScene(scene, runtime, isQuick);
    found.set(`Node ${version.slice(1, version.indexOf("."))}`, scenes as Record<SceneName, Found>);
  }
  const boxes = tellBoxes(readBoxes(), BOXES_SEED);
  printRatios(found, boxes);
  for (const [name, results] of Object.entries(tablesOf(found, boxes))) {
    console.log();
    if (isQuick) console.log(ratioTable(results));
    else writeResults(name, results);
  }
}

/** Both contenders in turn, each in a process of its own. */
async function measureScene(scene: SceneName, runtime: string, isQuick: boolean): Promise<Found> {
  const { ticks, verifiedTicks } = PLANS[scene];
  const share = isQuick ? 0.2 : 1;
  const workers = { [OURS]: startWorker(OURS, scene, runtime), [PEER]: startWorker(PEER, scene, runtime) };
  try {
    const askAll = (question: Question): Record<string, () => Promise<number>> =>
      Object.fromEntries(
        Object.entries(workers).map(([name, worker]) => [
          name,
          async () => ((await ask(worker, question)) as Answer).value,
        ]),
      );
    const bytes = await alternate(askAll({ task: "verify", ticks: share * verifiedTicks }), 1);
    const measure = askAll({ task: "measure", ticks: share * ticks });
    await alternate(measure, 1); // Until it is warm.
    const cpuUs = await alternate(measure, isQuick ? 1 : 9);
    const of = (name: string): Found[typeof OURS] => ({
      bytes: median(bytes[name] ?? []),
      cpuUs: median(cpuUs[name] ?? []) / SCENES[scene].clients,
    });
    return { [OURS]: of(OURS), [PEER]: of(PEER) };
  } finally {
    for (const worker of Object.values(workers)) worker.kill();
  }
}

function startWorker(contender: string, scene: SceneName, runtime: string): ChildProcess {
  return fork(fileURLToPath(new URL("./room/worker.ts", import.meta.url)), [contender, scene], {
    execPath: runtime,
    execArgv: ["--import", import.meta.resolve("tsx")],
  });
}

function printRatios(found: ReadonlyMap<string, Record<SceneName, Found>>, boxes: BoxesRun): void {
  console.log(`\n${OURS} beside ${PEER}, and what is wanted at most:`);
  for (const [node, scenes] of found) {
    for (const scene of SCENE_NAMES) {
      const { [OURS]: ours, [PEER]: peer } = scenes[scene];
      const { bytesShare, cpuShare } = PLANS[scene];
      const bytes = `bytes ${(ours.bytes / peer.bytes).toFixed(2)}× (${bytesShare}×)`;
      const cpu = `CPU ${(ours.cpuUs / peer.cpuUs).toFixed(2)}× (${cpuShare}×)`;
      const [mine, theirs] = [ours, peer].map(({ cpuUs }) => figure(cpuUs * SCENES[scene].clients));
      console.log(`  ${scene}, ${node}: ${bytes}, ${cpu}: ${mine} and ${theirs} µs a tick`);
    }
  }
  const { kbits, rawKbits, longest, parts } = boxes;
  const wanted = `(${BOXES_WANTED} wanted, ${BOXES_AIM} the aim)`;
  console.log(`  boxes: ${figure(kbits)} kbit/s ${wanted}, one in ${figure(rawKbits / kbits)} bits;`);
  console.log(
    `    at most ${longest} bytes in a datagram, ${figure(100 * parts)} % of ticks not whole in it`,
  );
}

function tablesOf(
  found: ReadonlyMap<string, Record<SceneName, Found>>,
  boxes: BoxesRun,
): Record<string, Results> {
  const [[, first] = []] = found;
  const rows = (
    value: (name: typeof OURS | typeof PEER) => Results["rows"][number]["values"],
  ): Results["rows"] => ([PEER, OURS] as const).map((name) => ({ name, values: value(name) }));
  const columns = [...found].flatMap(([node, scenes]) =>
    SCENE_NAMES.map((scene) => ({ column: `${scene}, ${node}`, found: scenes[scene] })),
  );
  const boxColumn = "901 boxes at 60 Hz, 5 % loss";
  const boxRow = (name: string, kbits: number): Results["rows"][number] => ({
    name,
    values: { [boxColumn]: kbits },
  });
  return {
    "room-bytes": {
      title: "Rooms: what clients are told 30 times a second",
      unit: "bytes for each client and tick",
      isLessBetter: true,
      columns: SCENE_NAMES,
      rows: rows((name) =>
        Object.fromEntries(SCENE_NAMES.map((scene) => [scene, first?.[scene][name].bytes])),
      ),
    },
    "room-cpu": {
      title: "Rooms: what it costs the server to tell it",
      unit: "µs of CPU for each client and tick",
      isLessBetter: true,
      columns: columns.map(({ column }) => column),
      rows: rows((name) =>
        Object.fromEntries(columns.map(({ column, found: each }) => [column, each[name].cpuUs])),
      ),
    },
    "room-boxes": {
      title: "Boxes that roll, against what came six frames ago or before",
      unit: "kbit/s",
      isLessBetter: true,
      columns: [boxColumn],
      rows: [
        boxRow("as 32-bit numbers", boxes.rawKbits),
        boxRow("quantised", boxes.quantizedKbits),
        boxRow(OURS, boxes.kbits),
      ],
    },
  };
}
