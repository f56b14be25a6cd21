// One contender in one scene, in a process of its own: `room.ts` asks it by messages. Arguments: the
// contender and the scene.
import { colyseus } from "./colyseus.ts";
import type { MakeContender } from "./contender.ts";
import { Link } from "./link.ts";
import { ours } from "./ours.ts";
import { Scene, type SceneName, SCENES, TICKS_PER_SECOND } from "./scenes.ts";
import { tell, verify } from "./verify.ts";

/** How often the scene goes on, and whether what clients see is compared with it or the time is measured. */
export interface Question {
  readonly task: "verify" | "measure";
  readonly ticks: number;
}

/** Bytes for each client and tick, or microseconds of processor time for each tick. */
export interface Answer {
  readonly value: number;
}

const MAKERS: Readonly<Record<string, MakeContender>> = {
  "@zocalo/room": ours,
  "@colyseus/schema": colyseus,
};
const LINK = { roundTripMs: 150, loss: 0.05, ticksPerSecond: TICKS_PER_SECOND } as const;
const SEED = 12;
/** Two seconds: until all are in motion, and all has been acknowledged. */
const SKIPPED = 2 * TICKS_PER_SECOND;

const [name = "", sceneName = ""] = process.argv.slice(2);
const make = MAKERS[name];
if (make === undefined || !(sceneName in SCENES)) throw new Error(`there is no ${name} in ${sceneName}`);
const settings = SCENES[sceneName as SceneName];

function newGame(): { scene: Scene; link: Link } {
  return { scene: new Scene(settings, SEED), link: new Link(settings.clients, LINK, SEED) };
}

function verified(make: MakeContender, ticks: number): number {
  const { scene, link } = newGame();
  return verify(make(scene), scene, link, ticks, SKIPPED);
}

/** Goes on from call to call, so that only the first is cold. */
function measurer(make: MakeContender): (ticks: number) => number {
  const game = newGame();
  const { server } = make(game.scene);
  const empty = newGame();
  let tick = 0;
  const measure = (ticks: number): number => {
    const end = tick + ticks;
    const told = cpuOf(() => {
      for (let at = tick; at < end; at++) tell(server, game.scene, game.link, at);
    });
    // The same game with nobody to tell of it is taken off.
    const untold = cpuOf(() => {
      for (let at = tick; at < end; at++) tell(undefined, empty.scene, empty.link, at);
    });
    tick = end;
    return (told - untold) / ticks;
  };
  measure(SKIPPED);
  return measure;
}

/** Microseconds of all threads of this process. */
function cpuOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const measure = measurer(make);
process.on("message", ({ task, ticks }: Question) => {
  const answer: Answer = { value: task === "verify" ? verified(make, ticks) : measure(ticks) };
  process.send?.(answer);
});
