import { escape, figure, type Results, ratioTable, RESULTS_DIRECTORY, writeRecord } from "./results.ts";

/** A figure for each point, and the points in ascending order. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [at: number, value: number])[];
}

/** What a benchmark found of something that grows. */
export interface Curves {
  readonly title: string;
  /** Unit of every figure, such as `µs of server CPU per message`. */
  readonly unit: string;
  readonly isLessBetter: boolean;
  /** What there is more and more of. */
  readonly along: string;
  readonly lines: readonly Line[];
}

/** The table as text: a column for each point. */
export function curvesTable({ lines, along, ...rest }: Curves): string {
  const name = (at: number): string => `${figure(at)} ${along}`;
  const results: Results = {
    ...rest,
    columns: (lines[0]?.points ?? []).map(([at]) => name(at)),
    rows: lines.map((line) => ({
      name: line.name,
      values: Object.fromEntries(line.points.map(([at, value]) => [name(at), value])),
    })),
  };
  return ratioTable(results);
}

/**
 * Writes `NAME.json` (with the machine and the versions) and `NAME.svg`, and prints the table.
 *
 * @param name Base name of the files.
 * @param directory Where to; default `RESULTS_DIRECTORY`.
 */
export function writeCurves(name: string, curves: Curves, directory = RESULTS_DIRECTORY): void {
  writeRecord(directory, name, curves, lineChart(curves));
  console.log(curvesTable(curves));
}

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 70;
const RIGHT = WIDTH - 30;
const TOP = 60;
/** The names of the lines stand below the axis, three in a row. */
const BOTTOM = HEIGHT - 90;
/** Readable on white and on black. */
const COLORS = ["#d9480f", "#1971c2", "#2f9e44", "#9c36b5", "#868e96", "#e8a200", "#0c8599"];

/** A chart as SVG, readable on light and dark. Both axes are logarithmic: a step is ten times as much. */
export function lineChart({ title, unit, isLessBetter, along, lines }: Curves): string {
  const points = lines.flatMap((line) => line.points);
  const x = axis(
    points.map(([at]) => at),
    LEFT,
    RIGHT,
  );
  const y = axis(
    points.map(([, value]) => value),
    BOTTOM,
    TOP,
  );
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13">`,
    "<style>text{fill:#222}.grid{stroke:#8886}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>",
    `<text x="10" y="22" font-size="16" font-weight="600">${escape(title)}</text>`,
    `<text x="10" y="42">${escape(`${unit}; ${isLessBetter ? "less" : "more"} is better`)}</text>`,
    `<text x="${RIGHT}" y="${BOTTOM + 36}" text-anchor="end">${escape(along)}</text>`,
  ];
  for (const at of x.ticks) {
    parts.push(
      `<path class="grid" d="M${x.place(at)} ${TOP}V${BOTTOM}"/>`,
      `<text x="${x.place(at)}" y="${BOTTOM + 18}" text-anchor="middle">${figure(at)}</text>`,
    );
  }
  for (const at of y.ticks) {
    parts.push(
      `<path class="grid" d="M${LEFT} ${y.place(at)}H${RIGHT}"/>`,
      `<text x="${LEFT - 8}" y="${Number(y.place(at)) + 4}" text-anchor="end">${figure(at)}</text>`,
    );
  }
  for (const [index, { name, points: some }] of lines.entries()) {
    const color = COLORS[index % COLORS.length] ?? "";
    const places = some.filter(([, value]) => value > 0).map(([at, value]) => [x.place(at), y.place(value)]);
    const [column, row] = [index % 3, Math.floor(index / 3)];
    const [nameX, nameY] = [LEFT + column * 220, BOTTOM + 58 + row * 20];
    parts.push(
      `<path d="M${places.map((place) => place.join(" ")).join("L")}" fill="none" stroke="${color}" stroke-width="2.5"/>`,
      ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${color}"/>`),
      `<path d="M${nameX} ${nameY - 4}h22" stroke="${color}" stroke-width="4"/>`,
      `<text x="${nameX + 30}" y="${nameY}">${escape(name)}</text>`,
    );
  }
  return `${parts.join("\n")}\n</svg>\n`;
}

interface Axis {
  readonly ticks: readonly number[];
  place(value: number): string;
}

/** From a round number below all values to one above them: 1, 2 or 5 times a power of ten. */
function axis(values: readonly number[], from: number, to: number): Axis {
  const positive = values.filter((value) => value > 0);
  const least = Math.min(...positive);
  const most = Math.max(...positive);
  const powers = Array.from({ length: 24 }, (_, index) => 10 ** (index - 9));
  const round = powers.flatMap((power) => [power, 2 * power, 5 * power]);
  const first = round.findLast((value) => value <= least) ?? least;
  const last = round.find((value) => value >= most && value > first) ?? most;
  const inside = (some: readonly number[]): number[] =>
    some.filter((value) => value >= first && value <= last);
  // With more than four powers of ten those between would stand too close.
  const ticks = last / first > 10_000 ? inside(powers) : inside(round);
  const span = Math.log(last / first);
  return { ticks, place: (value) => (from + (Math.log(value / first) / span) * (to - from)).toFixed(1) };
}
