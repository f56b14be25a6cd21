import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** As much of a component of a CycloneDX document as is read here. */
export interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly {
    readonly license?: { readonly id?: string; readonly name?: string };
    readonly expression?: string;
  }[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

/** As much of a CycloneDX document as is read here. */
export interface Sbom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** What is released, and what is bundled into its pages. */
const [RELEASED, ...BUNDLED] = ["zocalo", "@zocalo/plaza", "@zocalo/arena", "@zocalo/room"] as const;
/** A document of this repository has a hundredth of that. */
const MAX_SBOM_BYTES = 64 * 1_048_576;

/**
 * Asks npm, from the lock file, what is in a released `zocalo`: its packages, what is in its page, and all
 * that they need while they run.
 *
 * Tools are left out here and not by `--omit=dev`: npm 11 leaves out what a tool needs, too, although
 * `zocalo` needs it as well.
 */
export function sbomOf(root: string): Sbom {
  const workspaces = [RELEASED, ...BUNDLED].map((name) => `--workspace=${name}`);
  const words = ["sbom", "--sbom-format=cyclonedx", "--package-lock-only", ...workspaces];
  const options = { cwd: root, encoding: "utf8", maxBuffer: MAX_SBOM_BYTES } as const;
  const all = JSON.parse(execFileSync("npm", words, options)) as Sbom;
  const internal = internalNames(root);
  const kept = all.components.filter(
    (component) => !isTool(component) && !internal.some((name) => isNamed(component, name)),
  );
  const released = kept.find((component) => isNamed(component, RELEASED));
  if (released === undefined) throw new Error(`npm sbom names no ${RELEASED}`);
  const pages = kept
    .filter((component) => BUNDLED.some((name) => isNamed(component, name)))
    .map((component) => component["bom-ref"]);
  const refs = new Set(kept.map((component) => component["bom-ref"]));
  return {
    ...all,
    metadata: { ...all.metadata, component: released },
    components: kept.filter((component) => component !== released).map(wholeName),
    dependencies: all.dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn }) => ({
        ref,
        // No manifest says that the page is in it.
        dependsOn: [
          ...dependsOn.filter((each) => refs.has(each)),
          ...(ref === released["bom-ref"] ? pages : []),
        ],
      })),
  };
}

/** npm calls a workspace by the last part of its name alone. */
function wholeName(component: Component): Component {
  const { "bom-ref": ref, version } = component;
  return { ...component, name: ref.slice(0, -`@${version}`.length) };
}

/** The workspaces that nobody gets, as npm marks tools only if they come from a registry. */
function internalNames(root: string): string[] {
  const read = (name: string) =>
    JSON.parse(readFileSync(join(root, name, "package.json"), "utf8")) as {
      name: string;
      private?: boolean;
      workspaces?: string[];
    };
  return (read(".").workspaces ?? [])
    .map(read)
    .filter(({ name, private: isPrivate }) => isPrivate === true && !BUNDLED.some((each) => each === name))
    .map(({ name }) => name);
}

function isTool({ properties }: Component): boolean {
  return (properties ?? []).some(
    ({ name, value }) => name === "cdx:npm:package:development" && value === "true",
  );
}

function isNamed(component: Component, name: string): boolean {
  return component["bom-ref"] === `${name}@${component.version}`;
}

/** Writes the SBOM. @returns where. */
function writeSbom(root: string): string {
  const file = join(root, "dist/zocalo.cdx.json");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(sbomOf(root), null, 2)}\n`);
  return file;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(writeSbom(dirname(dirname(fileURLToPath(import.meta.url)))));
}
