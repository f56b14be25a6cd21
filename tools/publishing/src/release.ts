// `npm run release -- --dry-run [--files]` shows what npm would publish, and asks no network.
// `npm run release` publishes it, from the workflow that can prove where it comes from. Both begin with what
// is built.
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { makeTarballs, type Tarball } from "./make-tarballs.ts";
import { releaseTable } from "./release-table.ts";
import { tarballProblems } from "./tarball-problems.ts";

const FLAGS = ["--dry-run", "--files"];
/** A registry that is not there: what a dry run asks of one is refused at once. */
const NOWHERE = ["--registry=http://127.0.0.1:9", "--fetch-retries=0"];

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const args = process.argv.slice(2);
const unknown = args.find((arg) => !FLAGS.includes(arg));
if (unknown !== undefined) fail([`Unknown flag ${unknown}; known: ${FLAGS.join(", ")}.`]);
const isDryRun = args.includes("--dry-run");

const tarballs = makeTarballs(root, join(root, "dist/npm"));
const problems = tarballs.flatMap((tarball) => tarballProblems(tarball, [root, homedir() + sep]));
if (problems.length > 0) fail(problems);
console.log(releaseTable(tarballs, args.includes("--files")));
const obstacles = obstaclesOf(tarballs[0]?.version ?? "");

if (isDryRun) {
  const published = tarballs.map((tarball) => publish(tarball, ["--dry-run", "--json", ...NOWHERE]));
  if (published.includes(false)) fail(["npm publish --dry-run refuses one of them: see above."]);
  console.log(`\nnpm publish --dry-run takes each of them, in this order, as public and with provenance.`);
  console.log(`They lie in ${relative(root, dirname(tarballs[0]?.path ?? root))}. Nothing was published.`);
  if (obstacles.length > 0) console.log(`\nBefore they can go out:\n${list(obstacles)}`);
} else {
  if (obstacles.length > 0) fail(["Nothing was published:", list(obstacles)]);
  for (const tarball of tarballs) {
    if (isPublished(tarball)) console.log(`${tarball.name} ${tarball.version} is there already`);
    else if (!publish(tarball, [])) fail([`${tarball.name} was not published, nor what comes after it.`]);
  }
}

/** What a person has to do before a release; none of it is about the files. */
function obstaclesOf(version: string): string[] {
  const tag = `v${version}`;
  const changelog = readFileSync(join(root, "CHANGELOG.md"), "utf8");
  const isTagged = git("tag", "--points-at", "HEAD").split("\n").includes(tag);
  const hasProof = process.env["GITHUB_ACTIONS"] === "true";
  return [
    ...(git("status", "--porcelain") === "" ? [] : ["commit what has changed"]),
    ...(changelog.includes(`\n## ${version}`)
      ? []
      : [`write "## ${version}" over what is new in CHANGELOG.md`]),
    ...(isTagged ? [] : [`tag the commit ${tag}: links in the tarballs lead there`]),
    ...(hasProof
      ? []
      : ["push the tag: .github/workflows/release.yml publishes, since provenance is proved there"]),
  ];
}

function git(...words: readonly string[]): string {
  return execFileSync("git", words, { cwd: root, encoding: "utf8" }).trim();
}

/** Has npm publish a tarball. @returns whether it did, or would. */
function publish({ path }: Tarball, flags: readonly string[]): boolean {
  const isShown = !flags.includes("--json");
  const { status, stdout, stderr } = npm(["publish", path, ...flags], isShown);
  if (status !== 0 && !isShown) console.error(stdout, stderr);
  return status === 0;
}

function isPublished({ name, version }: Tarball): boolean {
  return npm(["view", `${name}@${version}`, "version"], false).stdout.trim() === version;
}

function npm(
  words: readonly string[],
  isShown: boolean,
): { status: number | null; stdout: string; stderr: string } {
  const shell = process.platform === "win32";
  const stdio = isShown ? "inherit" : "pipe";
  const { status, stdout, stderr } = spawnSync("npm", [...words], {
    cwd: root,
    encoding: "utf8",
    shell,
    stdio,
  });
  return { status, stdout: stdout ?? "", stderr: stderr ?? "" };
}

function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join("\n");
}

function fail(lines: readonly string[]): never {
  for (const line of lines) console.error(line);
  process.exit(1);
}
