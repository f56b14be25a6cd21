// A server with rooms, for `rooms.ts`. Prints `{ port, udpPort }` as JSON. SIGUSR2 collects garbage. Without
// a client it is a process with the control loop alone.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Hub } from "@zocalo/hub";
import { listenPacket } from "@zocalo/net";
import { type Clock, roomNamespaces, Rooms, Ticker, udpLanes } from "@zocalo/room";
import { listen } from "@zocalo/websocket";
import { quantile } from "../measure.ts";
import { TICKS_PER_SECOND, walkers } from "./game.ts";
import { BEGIN, FIGURES, type Late, type Mode, OPEN, type ServerFigures } from "./wire.ts";

/** A timer that comes so early is set again by who set it. */
const EARLY_MS = 0.5;
/** Longest wait for a tick, after one that was early; other timers of rooms wait longer. */
const LONGEST_MS = 1_000 / TICKS_PER_SECOND + EARLY_MS;

/** The system's clock, which writes down how late those began who waited for a tick. */
class WatchedClock implements Clock {
  late: number[] = [];

  uptime(): number {
    return performance.now();
  }

  after(ms: number, run: () => void): () => void {
    const dueAt = performance.now() + ms;
    const timer = setTimeout(() => {
      const late = performance.now() - dueAt;
      if (ms <= LONGEST_MS && late >= -EARLY_MS) this.late.push(Math.max(0, late));
      run();
    }, ms);
    return () => clearTimeout(timer);
  }
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const clock = new WatchedClock();
const controlClock = new WatchedClock();
const control = new Ticker({ clock: controlClock, ticksPerSecond: TICKS_PER_SECOND, phase: 0.37 }, () => {});
control.start();

const hub = new Hub({ namespaces: roomNamespaces });
const udp = udpLanes(await listenPacket("udp4", "127.0.0.1:0"));
const udpPort = Number(udp.open("127.0.0.1")?.ticket.address.split(":")[1]);
let ticks = 0;
const ran = (): void => void ticks++;
const modes = {
  crowd: walkers({ seats: 100, ran }),
  ten: walkers({ seats: 10, ran }),
  filled: walkers({ seats: 10, bots: 10, ran }),
  hall: walkers({ seats: 1, stays: true, ran }),
} satisfies Record<Mode, unknown>;
const rooms = new Rooms(hub, modes, { udp, clock, maxRooms: 2_000 });
await rooms.open();
let before = udp.stats;

function lateOf(values: readonly number[]): Late {
  return { p50: quantile(values, 0.5), p99: quantile(values, 0.99), worst: quantile(values, 1) };
}

hub.handle(BEGIN, () => {
  clock.late = [];
  ticks = 0;
  controlClock.late = [];
  before = udp.stats;
  return {};
});
hub.handle(OPEN, (_, input) => {
  const { count } = input as { count: number };
  return Array.from({ length: count }, () => rooms.create("hall").id);
});
hub.handle(FIGURES, () => {
  const { heapUsed, external } = process.memoryUsage();
  const { received, sent, refused } = udp.stats;
  const figures: ServerFigures = {
    ticks,
    timed: clock.late.length,
    rooms: rooms.size,
    late: lateOf(clock.late),
    control: lateOf(controlClock.late),
    received: received - before.received,
    sent: sent - before.sent,
    refused: refused - before.refused,
    heapBytes: heapUsed + external,
  };
  return { ...figures, late: { ...figures.late }, control: { ...figures.control } };
});

const listener = await listen("127.0.0.1:0", { subprotocols: ["zocalo.binary"] });
void hub.serve(listener);
process.on("SIGUSR2", () => collect());
process.on("SIGTERM", () => process.exit(0));
console.log(JSON.stringify({ port: listener.addr.port, udpPort }));
