import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Component, sbomOf } from "./sbom.ts";

/** Licences that ask for their text and a name, and for nothing that MIT does not allow. */
export const ALLOWED_LICENCES: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
]);

/**
 * True if an SPDX expression lets us choose allowed licences alone. What is no such expression is not
 * allowed: `SEE LICENSE IN …`, exceptions, nothing at all.
 */
export function isAllowedLicence(expression: string): boolean {
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const one = (): boolean => {
    if (tokens[at] !== "(") return ALLOWED_LICENCES.has(tokens[at++] ?? "");
    at++;
    const isAllowed = either();
    return tokens[at++] === ")" && isAllowed;
  };
  // Both sides are read whichever way the first goes, so no `&&` and no `||` stands before a call.
  const both = (): boolean => {
    let isAllowed = one();
    while (tokens[at] === "AND") {
      at++;
      isAllowed = one() && isAllowed;
    }
    return isAllowed;
  };
  const either = (): boolean => {
    let isAllowed = both();
    while (tokens[at] === "OR") {
      at++;
      isAllowed = both() || isAllowed;
    }
    return isAllowed;
  };
  const isAllowed = either();
  return at === tokens.length && isAllowed;
}

/** What a component is licensed under, as one expression; `""` if it does not say. */
export function licenceOf({ licenses = [] }: Component): string {
  return licenses
    .map(({ license, expression }) => expression ?? license?.id ?? license?.name ?? "")
    .join(" AND ");
}

/** One line for each component that nobody may ship. */
export function licenceProblems(components: readonly Component[]): string[] {
  return components
    .filter((component) => !isAllowedLicence(licenceOf(component)))
    .map((component) => {
      const { name, version } = component;
      const allowed = [...ALLOWED_LICENCES].join(", ");
      return `${name}@${version}: licence ${licenceOf(component) || "unknown"}; allowed are ${allowed}`;
    });
}

/** The components by their licence, one line for each licence. */
export function licenceTable(components: readonly Component[]): string {
  const byLicence = new Map<string, string[]>();
  for (const component of components) {
    const licence = licenceOf(component);
    const names = byLicence.get(licence) ?? [];
    byLicence.set(licence, [...names, `${component.name} ${component.version}`]);
  }
  return [...byLicence]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([licence, names]) => `${licence}: ${names.sort().join(", ")}`)
    .join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { metadata, components } = sbomOf(dirname(dirname(fileURLToPath(import.meta.url))));
  const shipped = [metadata.component, ...components];
  console.log(`Licences of what ships, and of what it needs:\n${licenceTable(shipped)}`);
  const problems = licenceProblems(shipped);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
