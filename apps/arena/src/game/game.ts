import { defineGame } from "@zocalo/room/client";
import { input, kinds } from "./kinds.ts";
import { apply } from "./movement.ts";
import { NUMBERS } from "./numbers.ts";

/** What the server and the page share. `step` of step.ts is the server's alone. */
export const game = defineGame({
  version: 1,
  ticksPerSecond: NUMBERS.ticksPerSecond,
  kinds,
  input,
  weights: { player: 3, egg: 2, match: 2 },
  apply,
});
