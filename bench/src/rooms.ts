import { setTimeout as wait } from "node:timers/promises";
import { LinkRelay } from "@zocalo/room";
import { someAtATime } from "./hub-load.ts";
import { median, quantile, type ServerProcess, settledRss, spawnServer, STEADY_HEAP } from "./measure.ts";
import { figure, type Results, ratioTable, writeResults } from "./results.ts";
import { randomNumbers } from "./room/scenes.ts";
import { Crew } from "./rooms/crew.ts";
import { PIXELS_PER_UNIT, QUANTUM, TICKS_PER_SECOND } from "./rooms/game.ts";
import { enter, openSession, type Player, type Session, type Way } from "./rooms/player.ts";
import { Presses } from "./rooms/presses.ts";
import { BEGIN, FIGURES, type Mode, OPEN, type ServerFigures } from "./rooms/wire.ts";
import { canPin, SERVER_CPU } from "./tcp-programs.ts";
import { pinLoad } from "./udp.ts";
import { cpuUs } from "./websocket-load.ts";

export const title = "Rooms at work: CPU and lateness of ticks, idle rooms, input to screen, prediction";

const SEED = 12;
/** The way of one direction, in milliseconds, and the share that is lost. */
const FAR_MS = 75;
const LOSS = 0.05;

/** How much is measured: of the full run, and of the quick one. */
interface Scale {
  readonly warmMs: number;
  readonly workMs: number;
  readonly crowd: number;
  readonly rooms: number;
  readonly idle: number;
  readonly pressMs: number;
  readonly predictMs: number;
}
const FULL: Scale = {
  warmMs: 5_000,
  workMs: 20_000,
  crowd: 100,
  rooms: 50,
  idle: 1_000,
  pressMs: 15_000,
  predictMs: 12_000,
};
const QUICK: Scale = {
  warmMs: 1_000,
  workMs: 2_000,
  crowd: 20,
  rooms: 5,
  idle: 100,
  pressMs: 2_000,
  predictMs: 3_000,
};

/** What was found of rooms at work. */
interface Work {
  readonly name: string;
  readonly server: ServerFigures;
  /** Of a process with nothing but the control loop, at the same time. */
  readonly control: ServerFigures;
  /** Shares of a core. */
  readonly serverShare: number;
  readonly loadShare: number;
  readonly emptyShare: number;
  /** For each client and second, without seals and what is below them. */
  readonly bytesDown: number;
  readonly bytesUp: number;
  /** Shares of the ticks, snapshots and inputs that were due. */
  readonly ticked: number;
  readonly told: number;
  readonly answered: number;
}

/**
 * Rooms in a server of their own, and their clients in this process: real ones, which join over WebSocket,
 * read and acknowledge snapshots, predict, and send inputs, over sealed datagrams if nothing else is said.
 * Prints, and writes `rooms-*` in `bench/results`.
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
  try {
    for (const [part, measure] of Object.entries(parts)) {
      if (args.includes("--only") && part !== only) continue;
      for (const [name, results] of Object.entries(await measure())) {
        console.log();
        if (isQuick) console.log(ratioTable(results));
        else writeResults(name, results);
      }
    }
  } finally {
    await Promise.all(started.map((server) => server.stop()));
  }
}

/** All of them, to be stopped whatever happens. */
const started: ServerProcess[] = [];

async function startServer(nodeArgs: readonly string[] = [], cpu?: number): Promise<ServerProcess> {
  const file = new URL("./rooms/server.ts", import.meta.url);
  const server = await spawnServer(file, { nodeArgs, ...(cpu !== undefined && { cpu }) });
  started.push(server);
  return server;
}

/** On the core that the load leaves free. */
function startPinned(nodeArgs: readonly string[] = []): Promise<ServerProcess> {
  return startServer(nodeArgs, canPin ? SERVER_CPU : undefined);
}

function figuresOf(session: Session): Promise<ServerFigures> {
  return session.call<ServerFigures>(FIGURES, {});
}

async function measureWork(scale: Scale, profile: readonly string[]): Promise<Record<string, Results>> {
  const found = [
    await work(`${scale.crowd} clients in one room`, "crowd", scale.crowd, scale, profile),
    await work(`${scale.rooms} rooms of 10 clients`, "ten", 10 * scale.rooms, scale, profile),
  ];
  const columns = found.map(({ name }) => name);
  const rowOf = (name: string, value: (one: Work) => number): Results["rows"][number] => ({
    name,
    values: Object.fromEntries(found.map((one) => [one.name, value(one)])),
  });
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
      columns,
      rows: loops.flatMap(([name, late]) =>
        (["p50", "p99", "worst"] as const).map((which) =>
          rowOf(`${name}, ${which}`, (one) => late(one)[which]),
        ),
      ),
    },
    "rooms-cpu": {
      title: "Rooms at work: processor time",
      unit: "% of a core",
      isLessBetter: true,
      columns,
      rows: [
        rowOf("server", (one) => 100 * one.serverShare),
        rowOf("all clients", (one) => 100 * one.loadShare),
        rowOf("empty loop elsewhere", (one) => 100 * one.emptyShare),
      ],
    },
    "rooms-done": {
      title: "Rooms at work: what was done of what was due",
      unit: "%; less than 100 where the machine was too busy",
      isLessBetter: false,
      columns,
      rows: [
        rowOf("ticks", (one) => 100 * one.ticked),
        rowOf("snapshots, and pings", (one) => 100 * one.told),
        rowOf("inputs, and pings", (one) => 100 * one.answered),
      ],
    },
    "rooms-traffic": {
      title: "Rooms at work: snapshots and inputs, without seals and headers",
      unit: "bytes for each client and second",
      isLessBetter: true,
      columns,
      rows: [rowOf("to a client", (one) => one.bytesDown), rowOf("from a client", (one) => one.bytesUp)],
    },
  };
}

/** So many clients in rooms of a mode, over sealed datagrams. */
async function work(
  name: string,
  mode: Mode,
  clients: number,
  scale: Scale,
  profile: readonly string[],
): Promise<Work> {
  const server = await startPinned(profile);
  const empty = await startServer();
  const watch = openSession(server.port);
  const watchEmpty = openSession(empty.port);
  const crew = new Crew(TICKS_PER_SECOND);
  await crew.enter(clients, server.port, mode, "udp", randomNumbers(SEED));
  await wait(scale.warmMs);
  await Promise.all([watch.call(BEGIN, {}), watchEmpty.call(BEGIN, {})]);
  const cpuOfBoth = (): number[] => [server, empty].map(({ pid }) => cpuUs(pid));
  const before = { cpu: cpuOfBoth(), load: process.cpuUsage(), at: performance.now() };
  await wait(scale.workMs);
  const passedMs = performance.now() - before.at;
  const [serverShare = Number.NaN, emptyShare = Number.NaN] = cpuOfBoth().map(
    (us, at) => (us - (before.cpu[at] ?? Number.NaN)) / passedMs / 1_000,
  );
  const load = process.cpuUsage(before.load);
  const [figures, control] = await Promise.all([figuresOf(watch), figuresOf(watchEmpty)]);
  const flows = crew.players.map(({ play }) => play.figures());
  const due = (passedMs / 1_000) * TICKS_PER_SECOND;
  const found: Work = {
    name,
    ticked: figures.ticks / figures.rooms / due,
    told: figures.sent / clients / due,
    answered: figures.received / clients / due,
    server: figures,
    control,
    serverShare,
    emptyShare,
    loadShare: (load.user + load.system) / passedMs / 1_000,
    bytesDown: mean(flows.map(({ bytesInPerSecond }) => bytesInPerSecond)),
    bytesUp: mean(flows.map(({ bytesOutPerSecond }) => bytesOutPerSecond)),
  };
  sayWork(found);
  await crew.leave();
  await Promise.all([watch.close(), watchEmpty.close()]);
  await Promise.all([server.stop(), empty.stop()]);
  return found;
}

/** Says what share of what was due was done: on a busy machine less than all. */
function sayWork(work: Work): void {
  const { name, ticked, told, answered, server, serverShare, loadShare, emptyShare } = work;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  console.log(
    `  ${name}: ${percent(ticked)} of ticks, ${percent(told)} of snapshots, ${percent(answered)} of inputs; ` +
      `${server.refused} refused; the server has ${percent(serverShare)} of a core, the load ${percent(loadShare)}, ` +
      `an empty loop ${percent(emptyShare)}; ` +
      `ticks begin ${server.late.p50.toFixed(2)} ms late (p99 ${server.late.p99.toFixed(2)}), ` +
      `those of an empty loop ${server.control.p50.toFixed(2)} (${server.control.p99.toFixed(2)})`,
  );
  if (Math.min(ticked, told, answered) < 0.9)
    console.log("    the machine is too busy for it: trust no figure");
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
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

/** A link of so many milliseconds each way, and where its clients dial. */
async function relayed(
  server: ServerProcess,
  loss: number,
): Promise<{ link: LinkRelay; port: string; way: Way }> {
  const link = new LinkRelay(SEED, { delayMs: FAR_MS, loss });
  const web = await link.tcp(`127.0.0.1:${server.port}`);
  const udpAt = await link.udp(`127.0.0.1:${Number(server.ready["udpPort"])}`);
  return { link, port: web.slice(web.indexOf(":") + 1), way: { udpAt } };
}

/**
 * From the moment at which somebody presses a key until the picture in which another player has it: waiting
 * for the next picture and the next input, the lead of inputs, a tick, the lane, the interpolation delay, and
 * waiting for the other's picture.
 */
async function measureScreen({ pressMs, warmMs }: Scale): Promise<Record<string, Results>> {
  const found: Record<string, number[]> = {};
  for (const name of ["the session", "UDP", "UDP, 75 ms each way"]) {
    const server = await startPinned();
    const far = name.includes("75") ? await relayed(server, 0) : undefined;
    const way = far?.way ?? (name === "UDP" ? "udp" : "session");
    const random = randomNumbers(SEED);
    const crew = new Crew(60);
    await crew.enter(10, far?.port ?? server.port, "ten", way, random);
    await wait(warmMs);
    const presses = new Presses(crew, random);
    await wait(pressMs);
    found[name] = presses.stop();
    await crew.leave();
    await far?.link.close();
    await server.stop();
    console.log(`  ${name}: ${found[name].length} presses, ${presses.missed} not seen`);
  }
  const quantiles = { p50: 0.5, p99: 0.99 };
  return {
    "rooms-screen": {
      title: "Input to another player's screen: 10 players, 30 ticks and 60 pictures a second",
      unit: "ms",
      isLessBetter: true,
      columns: Object.keys(found),
      rows: Object.entries(quantiles).map(([name, q]) => ({
        name,
        values: Object.fromEntries(Object.entries(found).map(([way, ms]) => [way, quantile(ms, q)])),
      })),
    },
  };
}

/** How far predicted places are from those of the server, over 150 ms and with 5 % lost each way. */
async function measurePrediction({ predictMs, warmMs }: Scale): Promise<Record<string, Results>> {
  const server = await startPinned();
  const { link, port, way } = await relayed(server, LOSS);
  const random = randomNumbers(SEED);
  const crews = { "10 who bump into each other": new Crew(60), "10, each alone": new Crew(60) };
  const [together, alone] = Object.values(crews) as [Crew, Crew];
  await together.enter(10, port, "ten", way, random);
  await alone.enter(10, port, "hall", way, random);
  await wait(warmMs + predictMs);
  const pixels = QUANTUM * PIXELS_PER_UNIT;
  const errors = Object.entries(crews).map(([name, { players }]) => {
    const figures = players.map(({ play }: Player) => play.figures());
    const quanta = figures.map(({ predictionErrorQuanta }) => predictionErrorQuanta);
    const sum = (what: "corrections" | "snaps"): number => figures.reduce((all, each) => all + each[what], 0);
    const ms = figure(median(figures.map(({ roundTripMs }) => roundTripMs)));
    console.log(
      `  ${name}: p95 of each ${quanta.map((each) => figure(each)).join(" ")} quanta; ` +
        `${sum("corrections")} corrections, ${sum("snaps")} snaps; round trip ${ms} ms`,
    );
    return [name, quanta] as const;
  });
  await Promise.all([together.leave(), alone.leave()]);
  await link.close();
  await server.stop();
  const rows = { "p95, median of clients": 0.5, "p95, worst client": 1 };
  return {
    "rooms-prediction": {
      title: "Prediction error over 150 ms and 5 % loss each way",
      unit: `CSS pixels, ${PIXELS_PER_UNIT} a unit of which one walks 6 a second; a quantum is ${pixels}`,
      isLessBetter: true,
      columns: errors.map(([name]) => name),
      rows: Object.entries(rows).map(([name, q]) => ({
        name,
        values: Object.fromEntries(errors.map(([who, quanta]) => [who, quantile(quanta, q) * pixels])),
      })),
    },
  };
}
