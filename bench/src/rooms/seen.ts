import { setTimeout as wait } from "node:timers/promises";
import { LinkRelay } from "@zocalo/room";
import { median, quantile, type ServerProcess } from "../measure.ts";
import { figure, type Results } from "../results.ts";
import { randomNumbers } from "../room/scenes.ts";
import { cpuUs } from "../websocket-load.ts";
import { Crew } from "./crew.ts";
import { PIXELS_PER_UNIT, QUANTUM, SEED } from "./game.ts";
import type { Player, Way } from "./player.ts";
import { Presses } from "./presses.ts";
import { startPinned } from "./servers.ts";
import type { Mode } from "./wire.ts";

/** The way of one direction, in milliseconds, and the share that is lost. */
const FAR_MS = 75;
const LOSS = 0.05;
/** Whole clients, so that none waits for another on their core. The other seats have bots, at the server. */
const CLIENTS = 2;
const PICTURES_PER_SECOND = 60;
/** A client knows the errors of its last 256 snapshots, so they are asked for so often, in milliseconds. */
const WINDOW_MS = 9_000;

/** How much is measured. */
export interface SeenScale {
  readonly warmMs: number;
  readonly pressMs: number;
  readonly windows: number;
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

/** Takes the processor time of the server and of this process, with all clients and links. */
function watchCpu(server: ServerProcess): () => string {
  const at = performance.now();
  const before = cpuUs(server.pid);
  const own = process.cpuUsage();
  return () => {
    const passedUs = 1_000 * (performance.now() - at);
    const { user, system } = process.cpuUsage(own);
    const percent = (us: number): string => `${figure((100 * us) / passedUs)} % of a core`;
    return `the server had ${percent(cpuUs(server.pid) - before)}, the clients ${percent(user + system)}`;
  };
}

/**
 * From the moment at which somebody presses a key until the picture in which another player has it: waiting
 * for the next picture and the next input, the lead of inputs, a tick, the lane, the interpolation delay, and
 * waiting for the other's picture.
 */
export async function measureScreen({ pressMs, warmMs }: SeenScale): Promise<Record<string, Results>> {
  const found: Record<string, number[]> = {};
  const notes: string[] = [];
  for (const name of ["the session", "UDP", "UDP, 75 ms each way"]) {
    const server = await startPinned();
    const far = name.includes("75") ? await relayed(server, 0) : undefined;
    const way = far?.way ?? (name === "UDP" ? "udp" : "session");
    const random = randomNumbers(SEED);
    const crew = new Crew(PICTURES_PER_SECOND);
    await crew.enter(CLIENTS, far?.port ?? server.port, "filled", way, random);
    await wait(warmMs);
    const cpu = watchCpu(server);
    const presses = new Presses(crew, random);
    await wait(pressMs);
    found[name] = presses.stop();
    notes.push(`${name}: ${found[name].length} presses, ${presses.missed} not seen; ${cpu()}.`);
    console.log(`  ${notes.at(-1)}`);
    await crew.leave();
    await far?.link.close();
    await server.stop();
  }
  const quantiles = { p50: 0.5, p99: 0.99 };
  return {
    "rooms-screen": {
      title: "Input to another player's screen: 2 clients and 8 bots, 30 ticks and 60 pictures a second",
      unit: "ms",
      isLessBetter: true,
      baseline: null,
      columns: Object.keys(found),
      rows: Object.entries(quantiles).map(([name, q]) => ({
        name,
        values: Object.fromEntries(Object.entries(found).map(([way, ms]) => [way, quantile(ms, q)])),
      })),
      notes,
    },
  };
}

/** How far predicted places are from those of the server, over 150 ms and with 5 % lost each way. */
export async function measurePrediction(scale: SeenScale): Promise<Record<string, Results>> {
  const modes: Readonly<Record<string, Mode>> = {
    "2 clients and 8 bots who bump into each other": "filled",
    "2 clients, each alone": "hall",
  };
  const pixels = QUANTUM * PIXELS_PER_UNIT;
  const notes: string[] = [];
  const found: Record<string, number[]> = {};
  for (const [name, mode] of Object.entries(modes)) {
    const { quanta, note } = await predictionErrors(mode, scale);
    found[name] = quanta.map((each) => each * pixels);
    notes.push(`${name}: ${note}`);
    console.log(`  ${notes.at(-1)}`);
  }
  const rows = { "p95, median of windows": 0.5, "p95, worst window": 1 };
  return {
    "rooms-prediction": {
      title: "Prediction error over 150 ms and 5 % loss each way",
      unit: `CSS pixels, ${PIXELS_PER_UNIT} a unit of which one walks 6 a second; a quantum is ${pixels}`,
      isLessBetter: true,
      baseline: null,
      columns: Object.keys(found),
      rows: Object.entries(rows).map(([name, q]) => ({
        name,
        values: Object.fromEntries(Object.entries(found).map(([who, errors]) => [who, quantile(errors, q)])),
      })),
      notes,
    },
  };
}

/** The 95th percentile of each window of each client, in quanta. */
async function predictionErrors(
  mode: Mode,
  { warmMs, windows }: SeenScale,
): Promise<{ quanta: number[]; note: string }> {
  const server = await startPinned();
  const { link, port, way } = await relayed(server, LOSS);
  const crew = new Crew(PICTURES_PER_SECOND);
  await crew.enter(CLIENTS, port, mode, way, randomNumbers(SEED));
  await wait(warmMs);
  const cpu = watchCpu(server);
  const quanta: number[] = [];
  const figures = (): ReturnType<Player["play"]["figures"]>[] =>
    crew.players.map(({ play }) => play.figures());
  for (let window = 0; window < windows; window++) {
    await wait(WINDOW_MS);
    quanta.push(...figures().map(({ predictionErrorQuanta }) => predictionErrorQuanta));
  }
  const last = figures();
  const sum = (what: "corrections" | "snaps"): number => last.reduce((all, each) => all + each[what], 0);
  const roundTripMs = figure(median(last.map((each) => each.roundTripMs)));
  const note =
    `${quanta.length} windows of 256 snapshots, ${sum("corrections")} corrections, ${sum("snaps")} snaps; ` +
    `round trip ${roundTripMs} ms; ${cpu()}.`;
  await crew.leave();
  await link.close();
  await server.stop();
  return { quanta, note };
}
