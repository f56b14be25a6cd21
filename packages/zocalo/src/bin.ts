import type { Writable } from "node:stream";
import { run } from "./cli.ts";
import { EXIT } from "./exit-code.ts";

const outputs = [process.stdout, process.stderr] as const;
for (const stream of outputs) {
  // Whoever reads the output may leave early (`zocalo --help | head`): that is no failure. A full disk is.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.exitCode = EXIT.failed;
  });
}

const exitCode = await run(process.argv.slice(2));
// What was written must reach a pipe first. Not left to Node to end by itself: with a connection that is
// still being thrown away it has been seen to close its handles for ever.
await Promise.all(outputs.map(flushed));
process.exit(process.exitCode ?? exitCode);

function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.errored !== null) resolve();
    else stream.write("", () => resolve());
  });
}
