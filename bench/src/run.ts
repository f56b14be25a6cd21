// `npm run bench [-- NAME] [--quick] [ARGUMENT …]`: one benchmark, or all of them quickly.
import { fileURLToPath, pathToFileURL } from "node:url";
import { type BenchmarkModule, findBenchmarks } from "./find-benchmarks.ts";

const benchmarks = findBenchmarks(fileURLToPath(new URL(".", import.meta.url)));
const [first = "", ...others] = process.argv.slice(2);
const isNamed = first !== "" && !first.startsWith("-");
const chosen = isNamed ? benchmarks.filter(({ name }) => name === first) : benchmarks;
if (chosen.length === 0) {
  const known = benchmarks.map(({ name }) => name).join(", ");
  console.error(
    isNamed ? `No benchmark ${first}; there are: ${known || "none"}.` : "There are no benchmarks.",
  );
  process.exit(1);
}
if (!isNamed) {
  console.log("Benchmarks; `npm run bench -- NAME` runs one in full:");
  for (const { name, title } of benchmarks) console.log(`  ${name.padEnd(20)} ${title}`);
}
for (const { name, file, title } of chosen) {
  console.log(`\n${name}: ${title}`);
  const { run } = (await import(pathToFileURL(file).href)) as BenchmarkModule;
  await run(isNamed ? others : ["--quick", ...others]);
}
