// A player of arena that is no page: it comes by WebSocket, plays over UDP, and does what a bot would do with
// what it is shown.
//
//   zocalo serve
//   npx tsx --conditions=zocalo-source examples/src/arena-bot.ts [URL] [NAME] [MATCHES]
import { ARENA, game, hasMatch, matchOf, think, viewOf } from "@zocalo/arena";
import { connect } from "@zocalo/client";
import { join, overUdp } from "@zocalo/room";
import * as websocket from "@zocalo/websocket";

/** Twice for each tick of the game, so that none is late by more than half of one. */
const LOOKS_EACH_MS = 1_000 / (2 * game.ticksPerSecond);

const [url = "ws://localhost:8080/ws", name = "Autómata", matches = "1"] = process.argv.slice(2);
const { hostname } = new URL(url);
// A match waits a second for those who were in it: whoever plays comes back sooner than whoever chats.
const session = connect(url, { dial: websocket.dial, backoff: { baseMs: 250, maxMs: 500 } });
// Lanes of a server on this machine are at 127.0.0.1.
const host = hostname === "localhost" ? "127.0.0.1" : hostname;
const play = await join(session, game, {
  mode: ARENA,
  name,
  lane: overUdp({ host }),
  onState: (state) => console.log(state),
  onEnd: ({ reason }) => void end(`the game has ended: ${reason}`),
  onError: (error) => console.error(error instanceof Error ? error.message : error),
});
console.log(`room ${play.room.room}, seat ${play.room.seat}`);

let carrier = "";
let score = "";
let phase = "";
let left = Number(matches);
const timer = setInterval(look, LOOKS_EACH_MS);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void end(signal));

function look(): void {
  const display = play.advance(performance.now(), (input) => {
    if (play.me !== undefined && hasMatch(viewOf(play.frame))) think(play.me, viewOf(play.frame), input);
  });
  if (display === "waiting" || !hasMatch(viewOf(play.frame))) return;
  const match = matchOf(viewOf(play.frame));
  tell(match.sun, match.moon);
  if (match.phase === phase) return;
  const wasPlayed = phase === "play" && match.phase === "over";
  ({ phase } = match);
  console.log(`${match.phase} on ${match.map}`);
  if (wasPlayed && --left === 0) void end("enough");
}

/** What has changed since it was told last. */
function tell(sun: number, moon: number): void {
  const { me } = play;
  const figures = play.figures();
  if (figures.carrier !== carrier) console.log(`carrier ${figures.carrier}`);
  ({ carrier } = figures);
  const now = `${me?.team} ${me?.points} points, ${me?.hitsMade} hits; sun ${sun}, moon ${moon}`;
  if (now !== score) console.log(now);
  score = now;
}

async function end(why: string): Promise<void> {
  clearInterval(timer);
  console.log(why);
  await play.leave();
  await session.close();
}
