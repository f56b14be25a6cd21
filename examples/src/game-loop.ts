// A world that moves in fixed steps, and is shown to all players after each.
//
//   npx tsx --conditions=zocalo-source examples/src/game-loop.ts [ADDRESS]
//   npx zocalo dial ws://127.0.0.1:7004    then type: right
import { Group, listen, type WebSocketConn } from "@zocalo/websocket";

const GRACE_MS = 2_000;
const STEP_MS = 50;
/** A process that was stopped does not make up for all it missed: it would be late for ever. */
const MAX_STEPS_AT_ONCE = 5;
const SIZE = 100;
const MOVES: ReadonlyMap<string, readonly [x: number, y: number]> = new Map([
  ["left", [-1, 0]],
  ["right", [1, 0]],
  ["up", [0, -1]],
  ["down", [0, 1]],
  ["stop", [0, 0]],
]);

interface Player {
  readonly id: number;
  x: number;
  y: number;
  move: readonly [x: number, y: number];
}

const listener = await listen(process.argv[2] ?? "127.0.0.1:7004", {
  maxMessageBytes: 100,
  maxConnections: 100,
});
const players = new Map<WebSocketConn, Player>();
// Who is behind misses this state, and gets the next: only the newest is worth anything.
const everybody = new Group();
let lastId = 0;
let steps = 0;
let doneUntil = performance.now();
console.log(`listening on ${String(listener.addr)}`);

const timer = setInterval(tick, STEP_MS);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void end());

for await (const conn of listener) join(conn);

function join(conn: WebSocketConn): void {
  const player: Player = { id: ++lastId, x: SIZE / 2, y: SIZE / 2, move: [0, 0] };
  players.set(conn, player);
  everybody.add(conn);
  conn.trySend(JSON.stringify({ you: player.id }));
  conn.serve({
    // A message is only noted; the world changes in its steps alone. So a player who sends faster is no
    // faster.
    message(message) {
      player.move = MOVES.get(String(message).trim()) ?? player.move;
    },
    close() {
      players.delete(conn); // After a reset, too.
      everybody.delete(conn);
    },
  });
}

/** Timers come late, and never early: the steps follow the clock, not the calls. */
function tick(): void {
  const due = Math.floor((performance.now() - doneUntil) / STEP_MS);
  doneUntil += due * STEP_MS;
  for (let i = 0; i < Math.min(due, MAX_STEPS_AT_ONCE); i++) step();
  if (due > 0) everybody.broadcast(JSON.stringify({ step: steps, players: [...players.values()].map(seen) }));
}

function step(): void {
  steps++;
  for (const player of players.values()) {
    const [x, y] = player.move;
    player.x = Math.min(Math.max(player.x + x, 0), SIZE);
    player.y = Math.min(Math.max(player.y + y, 0), SIZE);
  }
}

function seen({ id, x, y }: Player): object {
  return { id, x, y };
}

async function end(): Promise<void> {
  clearInterval(timer);
  await listener.drain(Date.now() + GRACE_MS); // Tells the players 1001 "going away".
}
