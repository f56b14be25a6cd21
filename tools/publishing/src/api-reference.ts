// `npm run docs:api` writes the reference of the libraries to docs/api; `npm run check:api` writes nothing,
// and fails where an export has no comment, a comment links nowhere, or a type that is shown is not exported.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Application,
  type CommentDisplayPart,
  Converter,
  DeclarationReflection,
  ReflectionKind,
  type TypeDocOptions,
} from "typedoc";
import { withAbsoluteLinks } from "./markdown-links.ts";
import { publishedPackages, readManifest } from "./packages.ts";

/** A module of the reference: what one import gives. */
interface Entry {
  readonly name: string;
  readonly source: string;
  /** The first page of the module; a subpath has the comment of its file. */
  readonly readme: string | undefined;
}

const SOURCE_CONDITION = "zocalo-source";
/** The command: its program is for people, and what it exports is in its README. */
const COMMAND = "zocalo";
const DOCUMENTED = ["Enum", "Variable", "Function", "Class", "Interface", "TypeAlias"] as const;

const NOTHING = {
  notExported: false,
  notDocumented: false,
  invalidLink: false,
  invalidPath: false,
  rewrittenLink: false,
  unusedMergeModuleWith: false,
};

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const isCheck = process.argv.includes("--check");
const libraries = publishedPackages(root).filter(({ manifest: { name } }) => name !== COMMAND);
const repository = "https://github.com/zocalo/zocalo";

const entries = libraries.flatMap(({ directory, manifest }): Entry[] =>
  Object.entries(manifest.exports ?? {})
    // The entry of a thread is for the package itself.
    .filter(([, conditions]) => conditions[SOURCE_CONDITION]?.endsWith(".mjs") !== true)
    .map(([path, conditions]) => ({
      name: join(manifest.name, path).replaceAll("\\", "/"),
      source: join(root, directory, conditions[SOURCE_CONDITION] ?? ""),
      readme: path === "." ? readmeOf(directory) : undefined,
    })),
);

const options: TypeDocOptions = {
  name: `Zocalo ${readManifest(root).version}`,
  readme: join(root, "tools/publishing/api-reference.md"),
  entryPoints: entries.map(({ source }) => source),
  tsconfig: join(root, "tools/publishing/tsconfig.api.json"),
  // TypeScript 7 checks the sources; TypeScript 6 only has to read them.
  skipErrorChecking: true,
  basePath: root,
  displayBasePath: root,
  out: join(root, "docs/api"),
  requiredToBeDocumented: [...DOCUMENTED],
  validation: false,
  excludeInternal: true,
  hideGenerator: true,
  includeVersion: false,
  disableGit: true,
  sourceLinkTemplate: `${repository}/blob/v${readManifest(root).version}/{path}#L{line}`,
  navigationLinks: { Repository: repository, Guides: `${repository}/tree/main/docs` },
  navigation: { includeFolders: false },
  sort: ["kind", "alphabetical"],
  // What one calls comes first: the names that somebody looks for.
  kindSortOrder: ["Module", "Function", "Class", "Interface", "TypeAlias", "Variable"],
  logLevel: "Warn",
};

const app = await Application.bootstrap(options);
app.converter.on(Converter.EVENT_CREATE_DECLARATION, nameModule);
const project = await app.convert();
if (project === undefined) process.exit(1);
// What is not exported, or not documented, is only looked for in the package that the project says it is.
for (const { manifest } of libraries) {
  project.packageName = manifest.name;
  app.options.setValue("validation", { ...NOTHING, notExported: true, notDocumented: true });
  app.validate(project);
}
app.options.setValue("validation", { ...NOTHING, invalidLink: true, invalidPath: true, rewrittenLink: true });
app.validate(project);
const found = app.logger.errorCount + app.logger.warningCount + app.logger.validationWarningCount;
if (found > 0) process.exitCode = 1;
else if (isCheck) console.log(`API reference: ${entries.map(({ name }) => name).join(", ")} are documented`);
else {
  await app.generateOutputs(project);
  console.log("docs/api/index.html");
}

/** Calls a module what an import calls it, before anything links to it. */
function nameModule(_context: unknown, module: DeclarationReflection): void {
  if (!module.kindOf(ReflectionKind.Module)) return;
  const file = module.sources?.[0]?.fullFileName;
  const entry = entries.find(({ source }) => source === file);
  if (entry === undefined) return;
  module.name = entry.name;
  if (entry.readme !== undefined)
    module.readme = [{ kind: "text", text: entry.readme } satisfies CommentDisplayPart];
}

/** Without its heading, which the page has already, and with links to the repository. */
function readmeOf(directory: string): string {
  const markdown = readFileSync(join(root, directory, "README.md"), "utf8");
  const place = { root, directory, repository, reference: `v${readManifest(root).version}` };
  return withAbsoluteLinks(markdown, place).replace(/^# .*\n+/, "");
}
