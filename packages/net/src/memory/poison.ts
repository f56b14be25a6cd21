/**
 * With the environment variable `ZOCALO_POISON` memory is overwritten as soon as nobody may read it any more:
 * what was lent when the loan ends, what is used again before it is given out. Whoever reads it all the same
 * reads this byte instead of something that looks right. Tests run with it.
 *
 * It is for memory of ours. A buffer of the caller's, which nobody may read once its call has settled, is the
 * caller's to overwrite, and the library never writes there: the integrity driver does, with a byte of its
 * own (0xee).
 */
export const POISON = 0xdb;

const isOn = process.env["ZOCALO_POISON"] !== undefined;

/**
 * Overwrites `memory`, of which nobody may read what stands there. Does nothing unless `ZOCALO_POISON` is
 * set.
 */
export const poison: (memory: Uint8Array) => void = isOn ? (memory) => void memory.fill(POISON) : () => {};
