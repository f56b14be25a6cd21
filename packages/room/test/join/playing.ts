// What tests of a client in a room share: time that passes with its frames drawn.
import { setImmediate } from "node:timers/promises";
import { join } from "../../src/join/join.ts";
import type { JoinOptions, PlayEnd, PlayState } from "../../src/join/options.ts";
import type { Play } from "../../src/join/play.ts";
import { type FakeRoom, game } from "./fake-room.ts";
import type { FakeSession } from "./fake-session.ts";

type Kinds = typeof game.definition.kinds;
type Input = typeof game.definition.input;
export type TestPlay = Play<Kinds, Input, "player">;

/** A client, and what it was told. */
export interface Client {
  readonly session: FakeSession;
  readonly play: TestPlay;
  readonly states: PlayState[];
  readonly ends: PlayEnd[];
  readonly events: unknown[];
  readonly errors: unknown[];
}

/** Frames are drawn 60 times a second. */
const FRAME_MS = 1_000 / 60;

/** Lets time pass, and all promises with it. */
export async function pass(room: FakeRoom, ms: number, draw?: (nowMs: number) => void): Promise<void> {
  const end = room.clock.uptime() + ms;
  while (room.clock.uptime() < end) {
    room.clock.runUntil(Math.min(end, room.clock.uptime() + FRAME_MS));
    await setImmediate();
    draw?.(room.clock.uptime());
  }
}

/** Begins to join; the promise settles while time passes. */
export function joining(room: FakeRoom, options: Partial<JoinOptions> = {}, session = room.session()) {
  const told = {
    session,
    states: [] as PlayState[],
    ends: [] as PlayEnd[],
    events: [] as unknown[],
    errors: [] as unknown[],
  };
  const joined = join(session, game, {
    mode: "arena",
    name: "Ana",
    clock: room.laneClock,
    random: () => 0.5,
    onState: (state) => told.states.push(state),
    onEnd: (end) => told.ends.push(end),
    onEvent: (event) => told.events.push(event),
    onError: (error) => told.errors.push(error),
    ...options,
  });
  return { ...told, joined };
}

export async function joined(
  room: FakeRoom,
  options: Partial<JoinOptions> = {},
  session = room.session(),
): Promise<Client> {
  const { joined: promise, ...told } = joining(room, options, session);
  await pass(room, 100);
  return { ...told, play: await promise };
}
