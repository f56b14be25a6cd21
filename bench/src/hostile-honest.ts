// An honest client, for `hostile.ts`: asks and publishes by turns, each when the one before was answered, and
// prints how long the answers took, in milliseconds. Arguments: address, port, how long.
import { LineClient, nothing, pause } from "./hostile-line.ts";

/** Between two round trips, in milliseconds. */
const PAUSE_MS = 10;

const [address = "", port = "", durationMs = ""] = process.argv.slice(2);
const client = await LineClient.open(address, Number(port), nothing());
const channel = "quiet:honest";
await client.ask('{"type":"connect","version":1}', "connected");
await client.ask(`{"type":"subscribe","channel":"${channel}"}`, "subscribed");
const pings: number[] = [];
const publishes: number[] = [];
const endsAt = performance.now() + Number(durationMs);
for (let count = 0; performance.now() < endsAt; count++) {
  const isPing = count % 2 === 0;
  const startedAt = performance.now();
  if (isPing) await client.ask('{"type":"ping"}', "pong");
  else await client.ask(`{"type":"publish","channel":"${channel}","data":"hola"}`, "published");
  (isPing ? pings : publishes).push(performance.now() - startedAt);
  await pause(PAUSE_MS);
}
console.log(JSON.stringify({ pings, publishes }));
client.socket.destroy();
