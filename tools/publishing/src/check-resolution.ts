import { checkPackage, createPackageFromTarballData, type Problem } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

/**
 * What is no fault of ours: the packages are ES modules with `exports`, which `moduleResolution: node10` does
 * not read, and which TypeScript before 5.8 does not let a CommonJS program require.
 */
function isForeseen(problem: Problem): boolean {
  return (
    problem.kind === "CJSResolvesToESM" ||
    (problem.kind === "NoResolution" && problem.resolutionKind === "node10")
  );
}

/**
 * What arethetypeswrong and publint say against a tarball, one line each. Every entry has to be found by ES
 * modules of Node and by bundlers, with types that match the code.
 */
export async function resolutionProblems(name: string, tarball: Uint8Array): Promise<string[]> {
  const pkg = createPackageFromTarballData(tarball);
  const entries = entryPoints(pkg.readFile(`/node_modules/${name}/package.json`));
  const analysis = await checkPackage(pkg);
  if (!analysis.types) return [`${name}: has no types`];
  const found = analysis.problems.filter((problem) => !isForeseen(problem));
  const looked = Object.keys(analysis.entrypoints);
  const linted = await publint({ pack: { tarball: new Uint8Array(tarball).buffer }, strict: true });
  return [
    ...entries
      .filter((entry) => !looked.includes(entry))
      .map((entry) => `${name}: nothing is known of ${entry}`),
    ...found.map((problem) => `${name}: ${JSON.stringify(problem)}`),
    ...linted.messages.map(
      (message) => `${name}: ${formatMessage(message, linted.pkg ?? {}, { color: false }) ?? message.code}`,
    ),
  ];
}

function entryPoints(manifest: string): string[] {
  return Object.keys((JSON.parse(manifest) as { exports?: object }).exports ?? {});
}
