// Those who are there, for `hostile.ts`: fills the logs that are read, and then so many users are in a
// channel, at ten addresses. Arguments: port, users, how many of them watch, large publications.
import { inTurn, LineClient, nothing } from "./hostile-line.ts";

/** It has no limit of an address of its own. */
const FILLER = "127.0.0.9";
const FILLERS = 20;
const ADDRESSES = 10;

const [port = 0, users = 0, watchers = 0, large = 0] = process.argv.slice(2).map(Number);
const got = nothing();

/** Publishes so many, on a few connections, as fast as they may. */
async function fill(channel: string, count: number, data: string): Promise<void> {
  const command = `{"type":"publish","channel":"${channel}","data":${data}}`;
  const clients = await Promise.all(
    Array.from({ length: FILLERS }, () => LineClient.open(FILLER, port, got)),
  );
  let left = count;
  const publish = async (client: LineClient): Promise<void> => {
    while (left > 0) {
      left--;
      await client.ask(command, "published");
    }
    client.socket.destroy();
  };
  await Promise.all(clients.map(publish));
}

await fill("quiet:small", 1_000, '"small"');
await fill("quiet:large", large, `"${"x".repeat(48_000)}"`);
await inTurn(users, 100, async (index) => {
  const client = await LineClient.open(`127.0.1.${1 + (index % ADDRESSES)}`, port, got);
  // The last ones, as those who come are told to them who watch, and that counts.
  const watches = index >= users - watchers ? ',"presence":true,"gather":true' : "";
  await client.ask('{"type":"connect","info":{"name":"somebody"},"answersPings":true}', "connected");
  await client.ask(`{"type":"subscribe","channel":"plaza:crowd"${watches}}`, "subscribed");
  client.heard = (start) => {
    if (start.startsWith('{"type":"ping"')) client.say('{"type":"pong"}');
  };
});
console.log(JSON.stringify({ users }));
