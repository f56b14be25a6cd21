// The shell lines of docs/command-line.md, typed as they stand there; only ports, files and machines differ.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { selfSigned } from "./terminal-certificates.ts";
import { Echoes } from "./terminal-echoes.ts";
import { type Ended, Terminal, ZOCALO } from "./terminal-process.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-documented-"));
const echoes = await Echoes.open(directory);
after(() => {
  echoes[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

const page = readFileSync(fileURLToPath(new URL("../../../docs/command-line.md", import.meta.url)), "utf8");
const lines = [...page.matchAll(/^```sh .*\n([^]*?)^```$/gm)]
  .flatMap(([, code = ""]) => code.split("\n"))
  .map((line) => line.replace(/(?:^|\s+)#.*$/, ""))
  .filter((line) => line !== "");

/** Types a line of the page, with these ports in place of those that it names. */
function typed(line: string, ports: Record<string, number>, where = directory): Terminal {
  assert.ok(lines.includes(line), `not in the page: ${line}`);
  const own = Object.entries(ports).reduce((text, [from, to]) => text.replace(`:${from}`, `:${to}`), line);
  const command = own.replace(/^zocalo/, "exec zocalo").replace("zocalo", ZOCALO);
  return new Terminal("", `cd '${where}'; ${command.replace("//there:", "//localhost:")}`);
}

async function answer(line: string, ports: Record<string, number>): Promise<Ended> {
  await using terminal = typed(line, ports);
  terminal.child.stdin.end();
  return await terminal.end();
}

test("a file from one machine to another", async () => {
  const [here, there] = [mkdtempSync(join(directory, "here-")), mkdtempSync(join(directory, "there-"))];
  writeFileSync(join(here, "file"), "hola\n");
  await using listener = typed("zocalo listen tcp://:7000 > file", { 7000: 0 }, there);
  const { port } = await listener.listening();
  await using dialer = typed("zocalo dial tcp://there:7000 < file", { 7000: port }, here);
  assert.equal((await dialer.end()).code, 0);
  listener.child.stdin.end();
  assert.equal((await listener.end()).code, 0);
  assert.equal(readFileSync(join(there, "file"), "utf8"), "hola\n");
});

test("an echo of WebSockets, and what is recorded", async () => {
  await using server = typed("zocalo listen ws://:8080/echo --echo", { 8080: 0 });
  const { port } = await server.listening();
  const ended = await answer("echo hola | zocalo dial ws://localhost:8080/echo", { 8080: port });
  assert.deepEqual([ended.code, ended.stdout.toString()], [0, "hola\n"]);
  await using recorded = typed("zocalo listen ws://:8080 --echo --record said.jsonl", { 8080: 0 });
  const { port: other } = await recorded.listening();
  assert.equal((await answer("echo one | zocalo dial ws://localhost:8080", { 8080: other })).code, 0);
  const shown = /"event":"data","direction":"in","kind":"text","text":"one"/;
  assert.match(page, shown);
  assert.match(readFileSync(join(directory, "said.jsonl"), "utf8"), shown);
});

test("a program for each connection", async () => {
  await using server = typed("zocalo listen tcp://127.0.0.1:7000 --exec 'tr a-z A-Z'", { 7000: 0 });
  const { port } = await server.listening();
  const { stdout } = await answer("echo hola | zocalo dial tcp://127.0.0.1:7000", { 7000: port });
  assert.equal(stdout.toString(), "HOLA\n");
});

test("relays from TLS, and from WebSockets by lines", async () => {
  const { certFile, keyFile } = selfSigned(directory, ["localhost"]);
  writeFileSync(join(directory, "server.crt"), readFileSync(certFile));
  writeFileSync(join(directory, "server.key"), readFileSync(keyFile));
  const behind = Number(/:(\d+)/.exec(echoes.to("tcp"))?.[1]);
  const asked = async (line: string, from: number, url: string): Promise<string> => {
    await using relay = typed(line, { [from]: 0, 7000: behind });
    const { port } = await relay.listening();
    await using client = new Terminal(`dial ${url.replace("PORT", String(port))}`);
    return await client.type("hola\n").prints(/hola/);
  };
  const tls = "zocalo relay tls://:7443 tcp://localhost:7000 --cert server.crt --key server.key";
  await asked(tls, 7443, `tls://localhost:PORT --ca ${certFile}`);
  await asked("zocalo relay ws://:8080 tcp://localhost:7000 --lines", 8080, "ws://localhost:PORT");
});
