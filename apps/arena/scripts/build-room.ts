import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * Builds what `zocalo serve` loads: the rooms of the game, in one file beside the built pages. `@zocalo/room`
 * is the server's own.
 *
 * @param app the folder of the application.
 */
export async function buildRoom(app: URL): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL("src/game/server.ts", app))],
    outfile: fileURLToPath(new URL("../../packages/zocalo/games/arena.js", app)),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["@zocalo/*"],
  });
}
