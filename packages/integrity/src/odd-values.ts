import { inspect } from "node:util";

/** Values that people give by mistake, or that come out of a configuration nobody looked at. */
const ODD_VALUES: readonly unknown[] = [
  null,
  Number.NaN,
  -1,
  1.5,
  0,
  Number.POSITIVE_INFINITY,
  2 ** 40,
  "",
  "odd",
  "1",
  {},
  { x: 1 },
  circle(),
  wordless(),
  [],
  [1],
  [null],
  true,
  Symbol("s"),
  10n,
  () => undefined,
];

/** Which odd values an option may have after all. */
export type IsLegal = (value: unknown) => boolean;

const isNumber = (value: unknown, least: number): value is number =>
  typeof value === "number" && value >= least;
const isWhole: IsLegal = (value) => Number.isSafeInteger(value) && isNumber(value, 1);
const isLimit: IsLegal = (value) => value === Number.POSITIVE_INFINITY || isWhole(value);
const isTime: IsLegal = (value) => isNumber(value, Number.MIN_VALUE);
const isFunction: IsLegal = (value) => typeof value === "function";
const isPlain: IsLegal = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
const isEmptyList: IsLegal = (value) => Array.isArray(value) && value.length === 0;

/** Kinds of options, by what they may be. */
export const LEGAL = {
  nothing: () => false,
  boolean: (value) => typeof value === "boolean",
  function: isFunction,
  text: (value) => typeof value === "string",
  /** How many there may be: a whole number of at least 1, or `Infinity`. */
  limit: isLimit,
  /** The same where 0 means none. */
  limitFrom0: (value) => value === 0 || isLimit(value),
  /** How long it may take, in milliseconds, or `Infinity`. */
  time: isTime,
  /** The same where 0 means at once. */
  delay: (value) => value === 0 || isTime(value),
  /** A number that the system is given. */
  whole: isWhole,
  list: isEmptyList,
  listOrFunction: (value) => isEmptyList(value) || isFunction(value),
  object: isPlain,
  objectOrFunction: (value) => isPlain(value) || isFunction(value),
  objectOrBoolean: (value) => isPlain(value) || typeof value === "boolean",
} as const satisfies Record<string, IsLegal>;

/** The options that everything with TLS has. */
export const LEGAL_TLS = {
  cert: LEGAL.nothing,
  certFile: LEGAL.nothing,
  key: LEGAL.nothing,
  keyFile: LEGAL.nothing,
  passphrase: LEGAL.text,
  ca: LEGAL.nothing,
  caFile: LEGAL.nothing,
  crl: LEGAL.nothing,
  crlFile: LEGAL.nothing,
  alpnProtocols: LEGAL.list,
  minVersion: LEGAL.nothing,
  maxVersion: LEGAL.nothing,
  ciphers: LEGAL.nothing,
  verifyPeer: LEGAL.function,
  dangerouslyLogKeys: LEGAL.function,
  handshakeTimeoutMs: LEGAL.time,
} as const satisfies Record<string, IsLegal>;

/**
 * Gives a call each odd value as each of its options.
 *
 * @param call rejects or throws what is wrong.
 * @param legal every option of the call, checked against the names that the call lists when it refuses one.
 * @param codes of the errors that count as a refusal.
 * @returns what was taken, or refused by another error; empty if all is well.
 */
export async function oddValuesTaken(
  call: (options: object) => unknown,
  legal: Readonly<Record<string, IsLegal>>,
  codes: readonly string[] = ["invalid_argument"],
): Promise<string[]> {
  const names = await namesOf(call);
  const faults = names.filter((name) => !(name in legal)).map((name) => `nobody knows what ${name} may be`);
  for (const name of Object.keys(legal)) if (!names.includes(name)) faults.push(`there is no option ${name}`);
  for (const name of names) {
    for (const value of ODD_VALUES) {
      if (legal[name]?.(value) ?? true) continue;
      const outcome = await outcomeOf(call, { [name]: value });
      if (!codes.includes(outcome)) faults.push(`${name} = ${describe(value)}: ${outcome}`);
    }
  }
  return faults;
}

/**
 * Gives a call `Infinity` as each of its limits and times.
 *
 * @returns which were refused; empty if all is well.
 */
export async function endlessRefused(
  call: (options: object) => unknown,
  legal: Readonly<Record<string, IsLegal>>,
): Promise<string[]> {
  const refused: string[] = [];
  for (const [name, isLegal] of Object.entries(legal)) {
    if (!isLegal(Number.POSITIVE_INFINITY)) continue;
    const outcome = await outcomeOf(call, { [name]: Number.POSITIVE_INFINITY });
    if (outcome === "invalid_argument") refused.push(name);
  }
  return refused;
}

/** The names that the refusal of a wrong one lists. */
async function namesOf(call: (options: object) => unknown): Promise<string[]> {
  try {
    await call({ nobodyHasThis: 1 });
  } catch (error) {
    const [, list = ""] = /it has (.*)$/.exec(String(error)) ?? [];
    return list.split(", ").filter((name) => name !== "");
  }
  return [];
}

async function outcomeOf(call: (options: object) => unknown, options: object): Promise<string> {
  try {
    await call(options);
    return "taken";
  } catch (error) {
    const isTyped = error instanceof Error && "code" in error && typeof error.code === "string";
    return isTyped ? String(error.code) : String(error);
  }
}

function describe(value: unknown): string {
  return inspect(value, { depth: 0 });
}

/** What is no text, whichever way it is asked. */
function wordless(): object {
  const refuse = (): never => {
    throw new Error("no words");
  };
  return Object.create({ toString: refuse, toJSON: refuse }) as object;
}

function circle(): object {
  const made: Record<string, unknown> = {};
  made["self"] = made;
  return made;
}
