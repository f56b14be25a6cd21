// A process that was suspended first reads what waits for it, and judges then.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { dial } from "@zocalo/net";
import { ClockProgram, FIRST_COMMAND_MS, TIMEOUT_MS } from "./clock-programs.ts";
import { HoldingRelay } from "./holding-relay.ts";

const portOf = (address: string): number => Number(/\d+$/.exec(address)?.[0]);

test("a server that was suspended serves who has spoken meanwhile, and ends who has not", {
  timeout: 60_000,
}, async () => {
  await using server = new ClockProgram(["server"]);
  const port = portOf(await server.says(/:\d+$/));
  const [speaker, mute] = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
  const said = ["", ""];
  for (const [index, socket] of [speaker, mute].entries()) {
    socket.setEncoding("utf8").on("data", (text: string) => (said[index] += text));
  }
  await Promise.all([once(speaker, "connect"), once(mute, "connect")]);
  await sleep(FIRST_COMMAND_MS / 3); // Both are accepted.
  server.child.kill("SIGSTOP");
  speaker.write('{"type":"ping","id":1}\n');
  await sleep(2 * FIRST_COMMAND_MS);
  server.child.kill("SIGCONT");
  await once(mute, "end");
  assert.deepEqual([said[0], said[1]?.includes('"disconnect"')], ['{"type":"pong","id":1}\n', true]);
  speaker.write('{"type":"ping","id":2}\n');
  await once(speaker, "data");
  for (const socket of [speaker, mute]) socket.destroy();
});

test("a server of datagrams that was suspended keeps the session of who has spoken meanwhile", {
  timeout: 60_000,
}, async () => {
  await using server = new ClockProgram(["datagrams"]);
  const port = portOf(await server.says(/:\d+$/));
  await using client = await dial("udp", `127.0.0.1:${port}`);
  const ask = async (command: object): Promise<{ readonly type: string; readonly session?: string }> => {
    await client.send(JSON.stringify(command));
    return JSON.parse(String(await client.receive())) as { readonly type: string };
  };
  const { session } = await ask({ type: "connect", key: "k" });
  server.child.kill("SIGSTOP");
  await sleep(2 * FIRST_COMMAND_MS);
  await client.send(JSON.stringify({ type: "ping", id: 1, session }));
  server.child.kill("SIGCONT");
  assert.deepEqual(JSON.parse(String(await client.receive())), { type: "pong", id: 1 });
  assert.equal((await ask({ type: "ping", session })).type, "pong");
});

test("a client that was suspended takes the answers that came meanwhile, and asks before it gives up", {
  timeout: 60_000,
}, async () => {
  // The server is patient: it is the client that is to judge.
  await using server = new ClockProgram(["server", "60000"]);
  await using relay = await HoldingRelay.start(portOf(await server.says(/:\d+$/)));
  await using client = new ClockProgram(["client", relay.address]);
  await client.says(/connected/);
  relay.isSilent = true;
  client.child.stdin.write("ask\n");
  await relay.hears();
  client.child.kill("SIGSTOP");
  relay.speak();
  await sleep(2 * TIMEOUT_MS);
  client.child.kill("SIGCONT");
  await client.says(/answered/);
  assert.deepEqual(client.said, ["connected", "answered"]);

  relay.isSilent = true;
  client.child.stdin.write("ask\n");
  await relay.hears();
  client.child.kill("SIGSTOP");
  await sleep(2 * TIMEOUT_MS);
  client.child.kill("SIGCONT");
  await relay.hears(); // The question whether anybody is there.
  relay.speak();
  while (client.said.length < 3) await once(client.child.stdout, "data");
  assert.deepEqual(client.said, ["connected", "answered", "answered"]);
});
