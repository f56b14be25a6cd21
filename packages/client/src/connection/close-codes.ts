// Those of `CLOSE` that a client looks at: a page does not pay for the names of the others. A test compares.

export const NORMAL = 1000;
export const TOO_LARGE = 1009;
export const BAD_COMMANDS = 4400;
export const UNAUTHORIZED = 4401;
export const RATE_LIMITED = 4429;
