// Tests run from source, and `tsx` does not reach the threads of a process: here is what it would do.
import { buildSync } from "esbuild";
import { fileURLToPath } from "node:url";

const source = new URL("./worker.ts", import.meta.url);
const { outputFiles } = buildSync({
  entryPoints: [fileURLToPath(source)],
  bundle: true,
  write: false,
  platform: "node",
  format: "esm",
  target: "node20",
  conditions: ["zocalo-source"],
  define: { "import.meta.url": JSON.stringify(source.href) },
});
await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
