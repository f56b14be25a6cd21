// What `zocalo serve` loads: the rooms of the game, in one file beside the built pages. `@zocalo/room` is the
// server's own.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

await build({
  entryPoints: [fileURLToPath(new URL("../src/game/server.ts", import.meta.url))],
  outfile: fileURLToPath(new URL("../../../packages/zocalo/games/arena.js", import.meta.url)),
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["@zocalo/*"],
});
