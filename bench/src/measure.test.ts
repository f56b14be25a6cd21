import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Curves, curvesTable, lineChart } from "./curves.ts";
import { findBenchmarks } from "./find-benchmarks.ts";
import { Sought } from "./hub-load.ts";
import { alternate, median, quantile, spawnServer } from "./measure.ts";
import { barChart, figure, ratioTable, type Results, writeResults } from "./results.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-measure-"));
after(() => rmSync(directory, { recursive: true }));

function program(name: string, source: string): string {
  const file = join(directory, name);
  writeFileSync(file, source);
  return file;
}

test("a server tells its port, spends processor time when it works, and is gone when stopped", async () => {
  const file = program(
    "server.mjs",
    `import { createServer } from "node:net";
     console.log("starting");
     const server = createServer((socket) => {
       const until = process.cpuUsage().user + 200_000;
       while (process.cpuUsage().user < until);
       socket.end();
     });
     server.listen(0, () => console.log(JSON.stringify({ port: server.address().port })));`,
  );
  const server = await spawnServer(file, { cpu: 0 });
  const before = server.cpuMs();
  await fetch(`http://127.0.0.1:${server.port}/`).catch(() => undefined);
  const spent = server.cpuMs() - before;
  assert.ok(spent >= 150, `${spent} ms`);
  assert.ok(server.rssBytes() > 10_000_000);
  await server.stop();
  await server.stop();
  assert.throws(() => process.kill(server.pid, 0), { code: "ESRCH" });
});

test("a server in TypeScript, with arguments and environment", async () => {
  const file = program(
    "server.ts",
    `const port: number = Number(process.argv[2]);
     console.log(JSON.stringify({ port, word: process.env["WORD"] }));
     setInterval(() => undefined, 1000);`,
  );
  const server = await spawnServer(file, { args: ["17"], env: { WORD: "hola" } });
  assert.deepEqual(server.ready, { port: 17, word: "hola" });
  await server.stop();
});

test("a server that prints no JSON says in words where it listens, and Node has arguments of its own", async () => {
  const file = program(
    "banner.mjs",
    `console.log("Hola");
     console.log(\`at port 17 with \${process.execArgv.join(" ")}\`);
     setInterval(() => undefined, 1000);`,
  );
  const readyFrom = (line: string) => {
    const [, port, args] = /^at port (\d+) with (.*)$/.exec(line) ?? [];
    return port === undefined ? undefined : { port: Number(port), args };
  };
  const server = await spawnServer(file, { nodeArgs: ["--max-semi-space-size=1"], readyFrom });
  assert.deepEqual(server.ready, { port: 17, args: "--max-semi-space-size=1" });
  await server.stop();
});

test("a server that ends, or says nothing in time, or names no port, is an error that names it", async () => {
  await assert.rejects(spawnServer(program("ends.mjs", "process.exit(3)")), /ends\.mjs ended with 3 before/);
  const silent = program("silent.mjs", "setInterval(() => undefined, 1000)");
  await assert.rejects(spawnServer(silent, { readyTimeoutMs: 50 }), /silent\.mjs was not ready after 50 ms/);
  const server = await spawnServer(program("portless.mjs", `console.log("{}"); setInterval(() => {}, 1000)`));
  assert.throws(() => server.port, /portless\.mjs printed \{\}, without a port/);
  await server.stop();
});

test("contenders take turns, and each round starts with another", async () => {
  const order: string[] = [];
  const contender = (name: string) => (round: number) => {
    order.push(`${name}${round}`);
    return Promise.resolve(round * 10);
  };
  const figures = await alternate({ a: contender("a"), b: contender("b") }, 3);
  assert.deepEqual(order, ["a0", "b0", "b1", "a1", "a2", "b2"]);
  assert.deepEqual(figures, { a: [0, 10, 20], b: [0, 10, 20] });
});

test("medians and quantiles", () => {
  assert.equal(median([5, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
  assert.equal(quantile([1, 2, 3, 4, 5], 0.75), 4);
  assert.equal(quantile([7], 0.99), 7);
});

const results: Results = {
  title: "Echo <16 B>",
  unit: "µs per message",
  isLessBetter: true,
  columns: ["1 in flight", "16 in flight"],
  rows: [
    { name: "zocalo", values: { "1 in flight": 10, "16 in flight": 0.8641 } },
    { name: "other", values: { "1 in flight": 32.4 } },
  ],
};

test("the table shows figures and how many times the baseline's they are", () => {
  assert.equal(
    ratioTable(results),
    [
      "Echo <16 B> (µs per message; less is better)",
      "         1 in flight  16 in flight",
      "zocalo            10         0.864",
      "other   32.4 (3.24×)             –",
    ].join("\n"),
  );
  assert.match(ratioTable({ ...results, baseline: "other" }), /^zocalo +10 \(0\.309×\)/m);
  const unlike = ratioTable({ ...results, baseline: null, notes: ["Load: 0.1.", "Clients: 2."] });
  assert.match(unlike, /^other +32\.4 +–\nLoad: 0\.1\.\nClients: 2\.$/m);
  assert.deepEqual([1040.4, 99.95, 0.000123456, Number.NaN].map(figure), ["1,040", "100", "0.000123", "–"]);
});

test("the chart has a bar per figure and its text is escaped", () => {
  const chart = barChart(results);
  assert.equal(chart.match(/<rect /g)?.length, 4);
  assert.ok(chart.includes("Echo &lt;16 B&gt;"));
});

const curves: Curves = {
  title: "Fan-out",
  unit: "µs per delivery",
  isLessBetter: true,
  along: "subscribers",
  lines: [
    {
      name: "zocalo",
      points: [
        [10, 20],
        [1_000, 2],
      ],
    },
    {
      name: "other <1>",
      points: [
        [10, 30],
        [1_000, 3],
      ],
    },
  ],
};

test("curves have a point for each figure, at places that grow with its logarithm", () => {
  const chart = lineChart(curves);
  const places = [...chart.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [x, y]);
  assert.equal(places.length, 4);
  const [first, second, third, fourth] = places;
  assert.deepEqual([first?.[0], second?.[0]], [third?.[0], fourth?.[0]]);
  assert.equal(first?.[0], "70.0");
  assert.equal(second?.[0], "730.0");
  // Ten times as much is as far everywhere.
  const [a = 0, b = 0, c = 0, d = 0] = places.map(([, y]) => Number(y));
  assert.ok(Math.abs(b - a - (d - c)) < 0.2, `${a} ${b} ${c} ${d}`);
  assert.ok(chart.includes("other &lt;1&gt;"));
  assert.match(curvesTable(curves), /^other <1>  +30 \(1\.5×\)  +3 \(1\.5×\)$/m);
});

test("a text is counted wherever what comes is cut", () => {
  const text = "abLASTabcdLASTLASTxLA";
  for (let size = 1; size <= text.length; size++) {
    const sought = new Sought("LAST");
    let count = 0;
    for (let at = 0; at < text.length; at += size)
      count += sought.countIn(Buffer.from(text.slice(at, at + size)));
    assert.equal(count, 3, `in pieces of ${size}`);
  }
});

test("results are written with the machine they are from", () => {
  writeResults("echo", results, join(directory, "results"));
  const written = JSON.parse(readFileSync(join(directory, "results/echo.json"), "utf8")) as {
    title: string;
    machine: { node: string };
  };
  assert.equal(written.title, results.title);
  assert.equal(written.machine.node, process.version);
  assert.equal(readFileSync(join(directory, "results/echo.svg"), "utf8"), barChart(results));
});

test("a benchmark is a module with a title and run; servers and other modules are not started", () => {
  const folder = mkdtempSync(join(directory, "found-"));
  const put = (name: string, text: string) => writeFileSync(join(folder, name), text);
  put(
    "echo.ts",
    'export const title = "Echo";\n\nexport async function run(args: string[]): Promise<void> {}\n',
  );
  put("echo-server.ts", "process.exit(1);\n");
  put("echo.test.ts", 'export const title = "Echo";\nexport async function run() {}\n');
  assert.deepEqual(findBenchmarks(folder), [{ name: "echo", file: join(folder, "echo.ts"), title: "Echo" }]);
});
