// What holds a process of its own open, and what does not.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

/** Runs a program of this library in a process of its own; what it says. */
async function run(program: string): Promise<string> {
  const head = `
    import { createServer } from "node:http";
    import { listen as listenNet } from "@zocalo/net";
    import { attach, dial, listen } from "@zocalo/websocket";
    process.on("exit", () => console.log("exit"));
  `;
  const flags = ["--conditions=zocalo-source", "--import", "tsx", "--input-type=module"];
  const child = spawn(process.execPath, [...flags, "-e", head + program], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: import.meta.dirname,
  });
  let said = "";
  child.stdout.on("data", (bytes) => (said += String(bytes)));
  await once(child, "close");
  return said.trim();
}

/** Each waits for something that does not come, on what it has called `held`. */
const holders = {
  "a client's connection": `
    const server = await listen("127.0.0.1:0");
    const held = await dial("ws://" + server.addr, { pingIntervalMs: 1_000 });
    (await server.accept()).unref();
    server.unref();
    held.receive();
  `,
  "a server's connection": `
    const server = await listen("127.0.0.1:0", { pingIntervalMs: 1_000 });
    const client = await dial("ws://" + server.addr);
    const held = await server.accept();
    client.unref();
    server.unref();
    held.receive();
  `,
  "a connection over another": `
    const server = await listenNet("tcp", "127.0.0.1:0");
    const over = await listen(server);
    const client = await dial("ws://" + server.addr);
    const held = await over.accept();
    client.unref();
    over.unref();
    held.receive();
  `,
  "a listener": `
    const held = await listen("127.0.0.1:0");
    held.accept();
  `,
  "a listener on another": `
    const held = await listen(await listenNet("tcp", "127.0.0.1:0"));
    held.accept();
  `,
};

for (const [what, program] of Object.entries(holders)) {
  test(`${what}: the process ends although it is open where it is not held on to, and stays where it is`, async () => {
    assert.equal(await run(`${program}; held.unref();`), "exit");
    // What is scheduled here holds no process: that it is called at all is what is held.
    const later = `setTimeout(() => { console.log("held"); process.exit(); }, 50).unref();`;
    assert.equal(await run(`${program}; held.unref(); held.ref(); ${later}`), "held\nexit");
  });
}

test("an attached listener leaves the server alone", async () => {
  const program = `
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    attach(server).unref();
    setTimeout(() => { console.log("held"); process.exit(); }, 50).unref();
  `;
  assert.equal(await run(program), "held\nexit");
});
