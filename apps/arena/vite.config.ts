import { fileURLToPath } from "node:url";
import { defaultClientConditions, defineConfig } from "vite";
import { buildRoom } from "./scripts/build-room.ts";

export default defineConfig(({ command }) => ({
  base: "./",
  // While developing, workspace packages come from their sources; a build takes what `tsc -b` made.
  resolve: {
    conditions: [...(command === "serve" ? ["zocalo-source"] : []), ...defaultClientConditions],
  },
  plugins: [{ name: "room", apply: "build", closeBundle: () => buildRoom(new URL("./", import.meta.url)) }],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: fileURLToPath(new URL("../../packages/zocalo/pages/arena", import.meta.url)),
    emptyOutDir: true,
    // The oldest of each that has what the sources use (oklch colours, `toSpliced`, `inert`).
    target: ["chrome111", "firefox119", "safari16.4"],
    // The page is served with `default-src 'self'`: a small asset turned into a data: URL would be blocked.
    assetsInlineLimit: 0,
    // The licences of what is bundled ask that their text goes along.
    license: { fileName: "NOTICE.txt" },
  },
}));
