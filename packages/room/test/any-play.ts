// Any history of a world, its views and clients.
import fc from "fast-check";

/** Any history; without pressure. */
const any = {
  seed: fc.integer(),
  ticks: fc.integer({ min: 1, max: 200 }),
  entities: fc.nat(30),
  loss: fc.constantFrom(0, 0.05, 0.3, 0.8),
  doubling: fc.constantFrom(0, 0.1),
  delay: fc.constantFrom(0, 2, 6, 30),
  budgetBytes: fc.constant(65_000),
  churn: fc.constantFrom(0, 0.05, 0.3, 1),
  silence: fc.constantFrom(0, 0, 40, 70),
  crowd: fc.constantFrom(0, 0, 0, 0, 18),
};
export const anyPlay = fc.record(any);
/** Any history of which not all fits. */
export const anyPressedPlay = fc.record({
  ...any,
  entities: fc.integer({ min: 20, max: 120 }),
  budgetBytes: fc.constantFrom(104, 150, 400),
});
