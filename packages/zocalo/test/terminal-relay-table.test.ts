// `zocalo relay` from each of the six schemes to each: a word goes through, and its echo comes back. The
// peers on both sides are of Node's own modules and of the `ws` package.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import { Echoes, type Scheme, SCHEMES } from "./terminal-echoes.ts";
import { Terminal } from "./terminal-process.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-relay-table-"));
const echoes = await Echoes.open(directory);
const { certFile, keyFile } = echoes.identity;
const trust = { ca: readFileSync(certFile) };
after(() => {
  echoes[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

/** What a client of this scheme hears after it has said "hola". */
async function answerTo(scheme: Scheme, port: number, path: string): Promise<string> {
  const where = { port, host: "127.0.0.1" };
  if (scheme === "udp") {
    const socket = createSocket("udp4");
    const answered = once(socket, "message");
    socket.send("hola", where.port, where.host);
    const [answer] = (await answered) as [Buffer];
    socket.close();
    return String(answer);
  }
  if (scheme === "ws" || scheme === "wss") {
    const socket = new WebSocket(`${scheme}://${where.host}:${port}`, trust);
    socket.on("open", () => socket.send("hola"));
    const [answer] = (await once(socket, "message")) as [Buffer];
    socket.terminate();
    return String(answer);
  }
  const socket =
    scheme === "tls" ? connectTls({ ...where, ...trust }) : connect(scheme === "unix" ? { path } : where);
  socket.write("hola");
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return String(answer);
}

describe("a word and its echo", { concurrency: 4 }, () => {
  for (const from of SCHEMES) {
    for (const to of SCHEMES) {
      test(`${from} to ${to}`, async () => {
        const path = join(directory, `${from}-${to}`);
        const isSecure = from === "tls" || from === "wss";
        const where = from === "unix" ? `unix:${path}` : `${from}://127.0.0.1:0`;
        await using relay = new Terminal(
          `relay ${where} ${echoes.to(to)} ${isSecure ? `--cert ${certFile} --key ${keyFile}` : ""}`,
        );
        const { port } = await relay.listening();
        assert.equal(await answerTo(from, port, path), "hola");
      });
    }
  }
});
