// Writes down what passes between clients and this server, as the transcripts of a release:
// `npm run transcripts -- 0.2.0`. What is there is not written over: a release is recorded once.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { Recorder } from "./recorder.ts";
import { NAMESPACES, play } from "./scenario.ts";
import { openServer } from "./server.ts";
import { printTranscript, type Transport } from "./transcript.ts";

const [release = ""] = process.argv.slice(2);
const directory = new URL(`${release}/`, import.meta.url);
if (!/^\d+\.\d+\.\d+$/.test(release)) refuse("Of which release? For instance: npm run transcripts -- 0.2.0");
if (existsSync(directory)) refuse(`${release} is recorded already.`);

const transports: readonly Transport[] = ["websocket", "tcp", "binary", "udp"];
const files: [string, string][] = [];
for (const transport of transports) {
  const server = await openServer({ transport, namespaces: NAMESPACES });
  const recorder = new Recorder(transport, server.port);
  await play(recorder);
  recorder.close();
  await server.close();
  const { steps } = recorder;
  files.push([`${transport}.txt`, printTranscript({ release, transport, namespaces: NAMESPACES, steps })]);
}
mkdirSync(directory);
for (const [name, text] of files) writeFileSync(new URL(name, directory), text);

function refuse(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}
