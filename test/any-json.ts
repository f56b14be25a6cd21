import fc from "fast-check";

// JSON as text, with all that a value in memory does not keep.

const space = fc.oneof(
  { weight: 6, arbitrary: fc.constant("") },
  { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom(" ", "\t", "\n", "\r"), maxLength: 4 }) },
);

const digits = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789".split("")), minLength: 1, maxLength });

const number = fc
  .tuple(
    fc.constantFrom("", "-"),
    fc.oneof(
      fc.constant("0"),
      fc.tuple(fc.constantFrom(..."123456789".split("")), digits(400)).map((it) => it.join("")),
    ),
    fc.oneof(
      fc.constant(""),
      digits(40).map((it) => `.${it}`),
    ),
    fc.oneof(
      fc.constant(""),
      fc.tuple(fc.constantFrom("e", "E", "e+", "E-"), digits(5)).map((it) => it.join("")),
    ),
  )
  .map((parts) => parts.join(""));

const hexadecimal = fc.string({
  unit: fc.constantFrom(..."0123456789abcdefABCDEF".split("")),
  minLength: 4,
  maxLength: 4,
});

const character = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(..."abcz ,:[]{}'/\u007f".split("")) },
  { weight: 2, arbitrary: fc.constantFrom("ñ", "漢", "😀", "\u2028", "\u2029", "\ufeff", "\u0085") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...["\\", '"', "/", "b", "f", "n", "r", "t"].map((it) => `\\${it}`)),
  },
  // Among them are halves of surrogate pairs, and U+0000.
  {
    weight: 1,
    arbitrary: fc.oneof(hexadecimal, fc.constantFrom("d800", "DFFF", "0000")).map((it) => `\\u${it}`),
  },
);

const string = fc.string({ unit: character, maxLength: 30 }).map((it) => `"${it}"`);

/** Few, so that an object has several members of one name; also those that mean something around them. */
const key = fc.oneof(
  fc.constantFrom(
    '"a"',
    '"\\u0061"',
    '"2"',
    '"1"',
    '""',
    '"data"',
    '"__proto__"',
    '"constructor"',
    '"toJSON"',
  ),
  string,
);

const { value } = fc.letrec<{ value: string; array: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("null", "true", "false", "-0", "1e400", "1688888483063664642", "{}", "[]"),
    number,
    string,
    tie("array"),
    tie("object"),
  ),
  array: fc.array(fc.tuple(space, tie("value"), space), { maxLength: 5 }).map((elements) => {
    return `[${elements.map((it) => it.join("")).join(",")}]`;
  }),
  object: fc
    .array(fc.tuple(space, key, space, fc.constant(":"), space, tie("value"), space), { maxLength: 5 })
    .map((members) => `{${members.map((it) => it.join("")).join(",")}}`),
}));

/** Any JSON text: space wherever it may be, every escape, members with one name, numbers of any length. */
export const anyJson: fc.Arbitrary<string> = value;

/** Any JSON text of an object. */
export const anyJsonObject: fc.Arbitrary<string> = value.filter((it) => it.startsWith("{"));

/** What arrives of it. */
export function asSent(json: string): string {
  return json.replaceAll(/[\r\n]/g, " ");
}
