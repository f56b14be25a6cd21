import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** One line of a result: who, and its figure in each column (`undefined`: not measured). */
export interface ResultRow {
  readonly name: string;
  readonly values: Readonly<Record<string, number | undefined>>;
}

/** What a benchmark found. */
export interface Results {
  readonly title: string;
  /** Unit of every figure, such as `µs of server CPU per message`. */
  readonly unit: string;
  /** Which way is good. */
  readonly isLessBetter: boolean;
  /** Names of the columns, in their order. */
  readonly columns: readonly string[];
  readonly rows: readonly ResultRow[];
  /** The row that the ratios compare with; default the first. Null: rows are not to be compared. */
  readonly baseline?: string | null;
  /** What is to be known beside the figures, such as what else the machine did. A line each. */
  readonly notes?: readonly string[];
}

/** Where results are kept: `bench/results`. */
export const RESULTS_DIRECTORY = fileURLToPath(new URL("../results", import.meta.url));

/** The table as text: each figure, and in brackets how many times the baseline's it is. */
export function ratioTable(results: Results): string {
  const { columns, rows, unit, isLessBetter, title } = results;
  const { baseline } = results;
  const base = baseline === null ? undefined : (rows.find(({ name }) => name === baseline) ?? rows[0]);
  const cell = (row: ResultRow, column: string) => {
    const value = row.values[column];
    if (value === undefined) return "–";
    const reference = base?.values[column];
    if (row === base || reference === undefined || reference === 0) return figure(value);
    return `${figure(value)} (${figure(value / reference)}×)`;
  };
  const lines = [
    ["", ...columns],
    ...rows.map((row) => [row.name, ...columns.map((column) => cell(row, column))]),
  ];
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0))) ?? [];
  const text = lines.map((line) =>
    line.map((word, i) => (i === 0 ? word.padEnd(widths[i] ?? 0) : word.padStart(widths[i] ?? 0))).join("  "),
  );
  const head = `${title} (${unit}; ${isLessBetter ? "less" : "more"} is better)`;
  return [head, ...text, ...(results.notes ?? [])].join("\n");
}

/**
 * A bar chart as SVG, one group of bars per column, readable on light and dark. Each column has its own
 * scale.
 */
export function barChart(results: Results): string {
  const { columns, rows, title, unit, isLessBetter } = results;
  const left = 190;
  const width = 760;
  const barHeight = 18;
  const groupHeight = rows.length * (barHeight + 4) + 34;
  const height = 60 + columns.length * groupHeight;
  const colors = ["#d9480f", "#1971c2", "#2f9e44", "#9c36b5", "#868e96", "#e8a200", "#0c8599"];
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13">`,
    "<style>text{fill:#222}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>",
    `<text x="10" y="22" font-size="16" font-weight="600">${escape(title)}</text>`,
    `<text x="10" y="42">${escape(`${unit}; ${isLessBetter ? "less" : "more"} is better`)}</text>`,
  ];
  for (const [c, column] of columns.entries()) {
    const top = 60 + c * groupHeight;
    const largest = Math.max(...rows.map((row) => row.values[column] ?? 0), Number.MIN_VALUE);
    parts.push(`<text x="10" y="${top + 16}" font-weight="600">${escape(column)}</text>`);
    for (const [r, row] of rows.entries()) {
      const y = top + 24 + r * (barHeight + 4);
      const value = row.values[column];
      const length = ((value ?? 0) / largest) * (width - left - 90);
      const label = value === undefined ? "–" : figure(value);
      parts.push(
        `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escape(row.name)}</text>`,
        `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="2" fill="${colors[r % colors.length]}"/>`,
        `<text x="${(left + length + 6).toFixed(1)}" y="${y + 13}">${label}</text>`,
      );
    }
  }
  return `${parts.join("\n")}\n</svg>\n`;
}

/**
 * Writes `NAME.json` (with the machine and the versions) and `NAME.svg`, and prints the table.
 *
 * @param name Base name of the files.
 * @param directory Where to; default {@link RESULTS_DIRECTORY}.
 */
export function writeResults(name: string, results: Results, directory = RESULTS_DIRECTORY): void {
  writeRecord(directory, name, results, barChart(results));
  console.log(ratioTable(results));
}

/** Writes what was found, with the machine and the versions, and its picture. */
export function writeRecord(directory: string, name: string, found: object, svg: string): void {
  const processors = cpus();
  const machine = { cpu: processors[0]?.model ?? "", cores: processors.length, node: process.version };
  mkdirSync(directory, { recursive: true });
  const record = { ...found, machine, at: new Date().toISOString() };
  writeFileSync(join(directory, `${name}.json`), `${JSON.stringify(record, null, 2)}\n`);
  writeFileSync(join(directory, `${name}.svg`), svg);
}

/** Three significant digits, thousands with a comma: 0.724, 12.3, 1,040. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

/** Text as it stands in SVG. */
export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
