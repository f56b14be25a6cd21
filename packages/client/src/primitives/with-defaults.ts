/**
 * What was given, and defaults for the rest. What has no default, and so may be of any kind, is `undefined`
 * there.
 *
 * @param what has these options, in a message
 * @throws TypeError for a name that is not known, and a value of another kind than its default, or a number
 *   below 0; it shows numbers alone, as a token is a secret
 */
export function withDefaults<Given extends object, Defaults extends Readonly<Record<keyof Given, unknown>>>(
  what: string,
  given: Given,
  defaults: Defaults,
): { readonly [Name in keyof Given]-?: Exclude<Given[Name], undefined> | Defaults[Name] } {
  const options = new Map<string, unknown>(Object.entries(defaults));
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    if (!options.has(name))
      throw new TypeError(`${what} has no option ${name}; it has ${[...options.keys()].join(", ")}`);
    if (value === undefined) continue;
    const kind = typeof options.get(name);
    const isKind = typeof value === kind && (kind !== "number" || Number(value) >= 0);
    if (value === null || !(isKind || kind === "undefined")) {
      const shown = typeof value === "number" ? value : typeof value;
      const allowed = kind === "number" ? "number from 0" : kind;
      throw new TypeError(`${name} of ${what} is ${shown}, and not ${allowed}`);
    }
    options.set(name, value);
  }
  return Object.fromEntries(options) as ReturnType<typeof withDefaults<Given, Defaults>>;
}
