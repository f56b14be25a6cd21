import { run } from "./cli.ts";

// Not process.exit: what was written must reach a pipe first.
process.exitCode = await run(process.argv.slice(2));
