#!/usr/bin/env node
// Not built but committed: npm links and marks a command as executable when it installs, and in a checkout
// nothing is built yet then.
import { existsSync } from "node:fs";

const built = new URL("../dist/bin.js", import.meta.url);
if (existsSync(built)) {
  await import(built.href);
} else {
  process.stderr.write("zocalo: not built yet. Run `npm run build` first.\n");
  process.exitCode = 1;
}
