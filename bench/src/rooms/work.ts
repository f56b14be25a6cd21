import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ask } from "../ask.ts";
import { figure, type Results } from "../results.ts";
import { cpuUs } from "../websocket-load.ts";
import { SEED, TICKS_PER_SECOND } from "./game.ts";
import { openSession } from "./player.ts";
import { figuresOf, startPinned, startServer } from "./servers.ts";
import { BEGIN, type LoadRequest, type Mode, type ServerFigures, summed, type Traffic } from "./wire.ts";

/** In how many processes the clients are. */
const LOADS = 2;
/** Below this share of what was due, and above this share of a core for one of them, nothing is published. */
const LEAST_DONE = 0.97;
const MOST_LOAD = 0.6;

/** How much is measured. */
export interface WorkScale {
  readonly warmMs: number;
  readonly workMs: number;
  readonly crowd: number;
  readonly rooms: number;
}

/** What was found of rooms at work. */
export interface Work {
  readonly name: string;
  readonly server: ServerFigures;
  /** Of a process with nothing but the control loop, at the same time. */
  readonly control: ServerFigures;
  /** Shares of a core. */
  readonly serverShare: number;
  readonly controlShare: number;
  readonly loadShares: readonly number[];
  /** For each client and second. */
  readonly bytesDown: number;
  readonly bytesUp: number;
  /** How many ticks of all rooms were due. */
  readonly due: number;
  /** Shares of what was due: ticks, those of which it is known how late they began, snapshots, inputs. */
  readonly ticked: number;
  readonly timed: number;
  readonly told: number;
  readonly answered: number;
}

/** Clients in rooms of a server of its own, over sealed datagrams. */
export async function measureWork(
  scale: WorkScale,
  profile: readonly string[],
): Promise<Record<string, Results>> {
  const found = [
    await work(`${scale.crowd} clients in one room`, "crowd", scale.crowd, scale, profile),
    await work(`${scale.rooms} rooms of 10 clients`, "ten", 10 * scale.rooms, scale, profile),
  ];
  return tablesOf(found);
}

/** What is published of it: of what a machine did that was too busy, only how busy it was. */
export function tablesOf(found: readonly Work[]): Record<string, Results> {
  const notes = found.map(noteOf);
  const columns = found.map(columnOf);
  const rowOf = (name: string, value: (one: Work) => number | undefined): Results["rows"][number] => ({
    name,
    values: Object.fromEntries(found.map((one) => [columnOf(one), value(one)])),
  });
  const sound = (name: string, value: (one: Work) => number): Results["rows"][number] =>
    rowOf(name, (one) => (isSound(one) ? value(one) : undefined));
  const loops = [
    ["ticks", (one: Work) => one.server.late],
    ["empty loop there", (one: Work) => one.server.control],
    ["empty loop elsewhere", (one: Work) => one.control.control],
  ] as const;
  return {
    "rooms-late": {
      title: "Rooms at work: how late ticks begin, 30 times a second",
      unit: "ms",
      isLessBetter: true,
      baseline: null,
      columns,
      rows: loops.flatMap(([name, late]) =>
        (["p50", "p99", "worst"] as const).map((which) =>
          sound(`${name}, ${which}`, (one) => late(one)[which]),
        ),
      ),
    },
    "rooms-cpu": {
      title: "Rooms at work: processor time",
      unit: "% of a core",
      isLessBetter: true,
      baseline: null,
      columns,
      rows: [
        sound("server", (one) => 100 * one.serverShare),
        rowOf("empty loop elsewhere", (one) => 100 * one.controlShare),
        ...Array.from({ length: LOADS }, (_, i) =>
          rowOf(`clients, process ${i + 1}`, ({ loadShares }) => 100 * (loadShares[i] ?? Number.NaN)),
        ),
      ],
    },
    "rooms-done": {
      title: "Rooms at work: what was done of what was due",
      unit: "%; less than 100 where the machine was too busy",
      isLessBetter: false,
      baseline: null,
      columns,
      rows: [
        rowOf("ticks that were run", (one) => 100 * one.ticked),
        rowOf("ticks whose lateness is counted", (one) => 100 * one.timed),
        rowOf("snapshots", (one) => 100 * one.told),
        rowOf("inputs", (one) => 100 * one.answered),
      ],
      notes,
    },
    "rooms-traffic": {
      title: "Rooms at work: snapshots and inputs, without seals and headers",
      unit: "bytes for each client and second",
      isLessBetter: true,
      baseline: null,
      columns,
      rows: [sound("to a client", (one) => one.bytesDown), sound("from a client", (one) => one.bytesUp)],
    },
  };
}

/** So many clients in rooms of a mode. */
async function work(
  name: string,
  mode: Mode,
  clients: number,
  scale: WorkScale,
  profile: readonly string[],
): Promise<Work> {
  const server = await startPinned(profile);
  const empty = await startServer();
  const watch = openSession(server.port);
  const watchEmpty = openSession(empty.port);
  const loads = Array.from({ length: LOADS }, startLoad);
  try {
    // One after the other: who comes at the same time shares rooms in an order that nobody knows.
    for (const [i, load] of loads.entries()) {
      const mine = Math.ceil((clients - i) / LOADS);
      await request(load, { task: "enter", port: server.port, mode, clients: mine, seed: SEED + i });
    }
    await wait(scale.warmMs);
    const [before, trafficBefore] = [spentUs(), await traffic()];
    await Promise.all([watch.call(BEGIN, {}), watchEmpty.call(BEGIN, {})]);
    const since = performance.now();
    await wait(scale.workMs);
    const [figures, control] = await Promise.all([figuresOf(watch), figuresOf(watchEmpty)]);
    const passedMs = performance.now() - since;
    const [after, trafficAfter] = [spentUs(), await traffic()];
    const shares = after.map((us, i) => (us - (before[i] ?? 0)) / passedMs / 1_000);
    const [serverShare = 0, controlShare = 0, ...loadShares] = shares;
    const each = (what: keyof Traffic): number => (trafficAfter[what] - trafficBefore[what]) / clients;
    const dueEach = (passedMs / 1_000) * TICKS_PER_SECOND;
    const due = dueEach * figures.rooms;
    const found: Work = {
      name,
      server: figures,
      control,
      serverShare,
      controlShare,
      loadShares,
      bytesDown: (1_000 * each("bytesIn")) / passedMs,
      bytesUp: (1_000 * each("bytesOut")) / passedMs,
      due,
      ticked: figures.ticks / due,
      timed: figures.timed / due,
      told: each("messagesIn") / dueEach,
      answered: each("messagesOut") / dueEach,
    };
    console.log(`  ${noteOf(found)}`);
    await Promise.all(loads.map((load) => request(load, { task: "leave" })));
    await Promise.all([watch.close(), watchEmpty.close()]);
    return found;
  } finally {
    await Promise.all([server.stop(), empty.stop(), ...loads.map(ended)]);
  }

  /** Of the server, the empty one, and the loads. */
  function spentUs(): number[] {
    return [server.pid, empty.pid, ...loads.map((load) => load.pid ?? 0)].map(cpuUs);
  }

  async function traffic(): Promise<Traffic> {
    return summed(await Promise.all(loads.map((load) => request(load, { task: "count" }))));
  }
}

/** On the core that this process has, as it is the child of it. */
function startLoad(): ChildProcess {
  return fork(fileURLToPath(new URL("./load.ts", import.meta.url)), {
    execArgv: ["--import", import.meta.resolve("tsx")],
  });
}

async function request(load: ChildProcess, asked: LoadRequest): Promise<Traffic> {
  return (await ask(load, asked)) as Traffic;
}

async function ended(load: ChildProcess): Promise<void> {
  if (load.exitCode !== null || load.signalCode !== null) return;
  const gone = once(load, "exit");
  load.kill();
  await gone;
}

function isSound({ timed, ticked, told, answered, loadShares }: Work): boolean {
  return Math.min(timed, ticked, told, answered) >= LEAST_DONE && Math.max(...loadShares) <= MOST_LOAD;
}

function columnOf(one: Work): string {
  return isSound(one) ? one.name : `${one.name}: NOT PUBLISHED`;
}

/** Says what share of what was due was done, and who did it. */
function noteOf(one: Work): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const { server, due, ticked, timed, told, answered, controlShare, serverShare, loadShares } = one;
  const counted = `${figure(server.ticks)} of ${figure(due)} ticks that were due (${percent(ticked)})`;
  const refused =
    ` At least ${percent(LEAST_DONE)} of each, and at most ${percent(MOST_LOAD)} of a core for a process of ` +
    "clients, are wanted: its other figures are not published.";
  return (
    `${one.name}: ${counted}, lateness counted of ${percent(timed)}, ${percent(told)} of snapshots, ` +
    `${percent(answered)} of inputs; ${server.refused} datagrams refused. Of a core, the server had ` +
    `${percent(serverShare)}, the clients' processes ${loadShares.map(percent).join(" and ")}, an empty loop ` +
    `${percent(controlShare)}.${isSound(one) ? "" : refused}`
  );
}
