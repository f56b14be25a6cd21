import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CannotBe, type Kind, Life } from "./life.ts";

/** Faults of one life, and so how long its history is. */
const FAULTS: Readonly<Record<Kind, number>> = { kill: 15, stop: 6, disk: 6, damage: 12, clock: 10 };

/** What happened in some lives. */
export interface Totals {
  lives: number;
  readonly counts: Map<string, number>;
  /** Said of what could not be done here. */
  readonly left: Set<string>;
}

export interface LifeOptions {
  /** Where its directory is made. */
  readonly parent?: string | undefined;
  readonly faults?: number;
}

/** Lives one life. Gives a sentence if it broke its word; what it leaves is kept then. */
export async function liveOnce(
  kind: Kind,
  seed: number,
  totals: Totals,
  { parent = tmpdir(), faults = FAULTS[kind] }: LifeOptions = {},
): Promise<string | undefined> {
  const directory = mkdtempSync(join(parent, `zocalo-torture-${kind}-${seed}-`));
  const life = new Life(kind, seed, directory);
  let broken: string | undefined;
  try {
    broken = await life.run(faults);
    totals.lives++;
  } catch (error) {
    if (error instanceof CannotBe) totals.left.add(error.message);
    else broken = `torture: ${error instanceof Error ? error.stack : String(error)}`;
  }
  for (const [what, count] of life.counts) totals.counts.set(what, (totals.counts.get(what) ?? 0) + count);
  if (broken === undefined) {
    rmSync(directory, { recursive: true, force: true });
    return undefined;
  }
  life.keep(broken);
  const again = `npm run torture -- --lives 1 --only ${kind} --seed ${seed} --faults ${faults}`;
  return `${broken}; histories and data are in ${directory}; again: ${again}`;
}

export function shown({ lives, counts }: Totals): string {
  return `${lives} lives: ${[...counts].map(([what, count]) => `${what} ${count}`).join(", ")}`;
}
