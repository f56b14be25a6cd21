import { z } from "zod";

/**
 * One setting: from it come the flag, the environment variable, the key in the file, the help text and the
 * check.
 */
export interface Setting<Value = unknown> {
  /** For docs/configuration.md. The help has the first sentence. */
  readonly what: string;
  /** What is allowed, as an error message says it. */
  readonly allowed: string;
  /** Stands for the value in the help text. Absent: can be set in the file only. */
  readonly placeholder?: string;
  readonly default: Value;
  /** True: it has no flag, which other programs of the machine see, and no message shows it. */
  readonly isSecret?: boolean;
  /** Checks the value as it stands in the file. */
  readonly schema: z.ZodType<Value>;
  /** Turns the text of a flag or a variable into what the file would hold. */
  readonly fromText: (text: string) => unknown;
}

/** A port, or no such door. */
export type Port = number | "off";

/** A port to listen on. @param least 1: it has to be known beforehand */
export function port(value: Port, what: string, least: 0 | 1 = 0): Setting<Port> {
  return {
    what,
    allowed:
      least === 0 ? "a port from 0 to 65535 (0: any free one) or off" : "a port from 1 to 65535 or off",
    placeholder: "PORT",
    default: value,
    schema: z.union([z.int().min(least).max(65_535), z.literal("off")]),
    fromText: numberFrom,
  };
}

/** A whole number in a range. */
export function wholeNumber(value: number, least: number, most: number, what: string): Setting<number> {
  return {
    what,
    allowed: `a whole number from ${least} to ${most}`,
    placeholder: "NUMBER",
    default: value,
    schema: z.int().min(least).max(most),
    fromText: numberFrom,
  };
}

/** One of a few words. */
export function choice<const Word extends string>(
  value: NoInfer<Word>,
  words: readonly [Word, ...Word[]],
  what: string,
): Setting<Word> {
  return {
    what,
    allowed: `one of ${words.join(", ")}`,
    placeholder: "WORD",
    default: value,
    schema: z.enum(words),
    fromText: (given) => given,
  };
}

/** Text of some form. */
export function text(
  value: string,
  form: RegExp,
  allowed: string,
  placeholder: string,
  what: string,
): Setting<string> {
  return {
    what,
    allowed,
    placeholder,
    default: value,
    schema: z.string().regex(form),
    fromText: (given) => given,
  };
}

/** Text that nobody is to see: from the environment or the file alone. */
export function secret(form: RegExp, allowed: string, what: string): Setting<string> {
  return { ...text("", form, allowed, "SECRET", what), isSecret: true };
}

/** Several texts: an array in the file, separated by commas elsewhere. */
export function list(
  value: readonly string[],
  isItem: (item: string) => boolean,
  allowed: string,
  placeholder: string,
  what: string,
): Setting<readonly string[]> {
  return {
    what,
    allowed,
    placeholder,
    default: value,
    schema: z.array(z.string().refine(isItem)).readonly(),
    fromText: (given) => (given === "" ? [] : given.split(",").map((item) => item.trim())),
  };
}

/**
 * Digits become a number; anything else is left for the schema to refuse, so that the message shows it as it
 * was given.
 */
function numberFrom(given: string): unknown {
  return /^\d{1,15}$/.test(given) ? Number(given) : given;
}
