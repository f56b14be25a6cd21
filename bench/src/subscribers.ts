import { brokersHere } from "./brokers.ts";
import { type Column, cpuPerDelivery, type Place } from "./fan-out.ts";
import { alternate, connections, median } from "./measure.ts";
import { type Curves, curvesTable, writeCurves } from "./curves.ts";
import { pinLoad } from "./udp.ts";

export const title = "Channels: server CPU per delivered publication, over 10 to 10,000 subscribers";

const COUNTS = [10, 30, 100, 300, 1_000, 3_000, 10_000];
const QUICK_COUNTS = [10, 100, 1_000];
const OURS: readonly Place[] = ["hub", "hub, durable engine", "ws"];

/**
 * As `fan-out`, for more and more subscribers. Measures and prints, and writes
 * `bench/results/subscribers-*.json` and `.svg`.
 *
 * @param args `--quick` for a short run that writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const most = connections(isQuick ? 1_000 : 10_000);
  const counts = (isQuick ? QUICK_COUNTS : COUNTS).map((count) => Math.min(count, most));
  const places: readonly Place[] = [...OURS, ...brokersHere().filter((name) => name === "nats-server")];
  pinLoad();
  const figures = new Map<number, Record<string, Record<Column, number>[]>>();
  for (const count of counts) {
    const measured = Object.fromEntries(
      places.map((place) => [place, () => cpuPerDelivery(place, count, isQuick ? 300 : 1_500)]),
    );
    figures.set(count, await alternate(measured, isQuick ? 1 : 3));
  }
  const names = { "bursts of 16": "bursts", "one at a time": "single" } as const;
  for (const [column, file] of Object.entries(names) as [Column, string][]) {
    const curves: Curves = {
      title: `Channels: a publication of 200 bytes, ${column}`,
      unit: "µs of server CPU per delivery",
      isLessBetter: true,
      along: "subscribers",
      lines: places.map((name) => ({
        name,
        points: counts.map((count) => [
          count,
          median(figures.get(count)?.[name]?.map((each) => each[column]) ?? []),
        ]),
      })),
    };
    console.log();
    if (isQuick) console.log(curvesTable(curves));
    else writeCurves(`subscribers-${file}`, curves);
  }
}
