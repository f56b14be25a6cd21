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
  const options: Record<string, unknown> = { ...defaults };
  for (const [name, value] of Object.entries(given as Record<string, unknown>)) {
    if (!(name in defaults))
      throw new TypeError(`${what} has no option ${name}; it has ${Object.keys(defaults).join(", ")}`);
    if (value === undefined) continue;
    const kind = typeof options[name];
    const isNumber = typeof value === "number";
    if (value === null || !(kind === "undefined" || (typeof value === kind && (!isNumber || value >= 0)))) {
      const allowed = kind === "number" ? "number from 0" : kind;
      throw new TypeError(`${name} of ${what} is ${isNumber ? value : typeof value}, and not ${allowed}`);
    }
    options[name] = value;
  }
  return options as ReturnType<typeof withDefaults<Given, Defaults>>;
}
