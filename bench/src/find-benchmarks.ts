import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A module of `bench/src` that can be run by its name. */
export interface Benchmark {
  readonly name: string;
  readonly file: string;
  readonly title: string;
}

/** What such a module exports. */
export interface BenchmarkModule {
  /** One line that says what is measured. */
  readonly title: string;
  /** Measures and writes its results. With `--quick` among `args` it takes seconds and writes none. */
  readonly run: (args: string[]) => Promise<void>;
}

/**
 * Lists the benchmarks in a directory, by name. Modules are recognised by their text and not loaded, because
 * the servers that are measured live beside them and would start.
 */
export function findBenchmarks(directory: string): Benchmark[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .sort()
    .flatMap((name) => {
      const file = join(directory, name);
      const text = readFileSync(file, "utf8");
      const title = /^export const title\s*=\s*(["'`])(.*?)\1;/ms.exec(text)?.[2];
      const isBenchmark = title !== undefined && /^export async function run\(/m.test(text);
      return isBenchmark ? [{ name: name.replace(/\.ts$/, ""), file, title }] : [];
    });
}
