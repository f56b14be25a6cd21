import type { Tarball } from "./make-tarballs.ts";
import type { TarballFile } from "./read-tarball.ts";

/** What the files of a folder are, by the end of their names. The first that fits counts. */
const KINDS: readonly (readonly [kind: string, ending: RegExp])[] = [
  ["maps", /\.map$/],
  ["types", /\.d\.ts$/],
  ["code", /\.js$/],
  ["sources", /\.tsx?$/],
  ["others", /./],
];

/**
 * What would go out, for a person: each package, and below it its files, those of a folder together.
 *
 * @param isWhole One line for every file instead.
 */
export function releaseTable(tarballs: readonly Tarball[], isWhole: boolean): string {
  const rows = tarballs.flatMap((tarball): Row[] => [
    [
      `${tarball.name} ${tarball.version}`,
      String(tarball.files.length),
      size(bytesOf(tarball.files)),
      size(tarball.packedBytes),
    ],
    ...(isWhole ? each(tarball.files) : byFolder(tarball.files)),
  ]);
  const total: Row = [
    "together",
    String(tarballs.flatMap(({ files }) => files).length),
    size(bytesOf(tarballs.flatMap(({ files }) => files))),
    size(tarballs.reduce((sum, { packedBytes }) => sum + packedBytes, 0)),
  ];
  return aligned([["package", "files", "unpacked", "packed"], ...rows, total]);
}

type Row = readonly [name: string, files: string, unpacked: string, packed: string];

function each(files: readonly TarballFile[]): Row[] {
  return files.map(({ path, content }) => [`  ${path}`, "", size(content.length), ""]);
}

function byFolder(files: readonly TarballFile[]): Row[] {
  const beside = files.filter(({ path }) => !path.includes("/"));
  const folders = new Set(files.filter(({ path }) => path.includes("/")).map(({ path }) => folderOf(path)));
  return [
    ...each(beside),
    ...[...folders].flatMap((folder) => {
      const inside = files.filter(({ path }) => path.includes("/") && folderOf(path) === folder);
      return KINDS.flatMap(([kind], i): Row[] => {
        const these = inside.filter(({ path }) => KINDS.findIndex(([, ending]) => ending.test(path)) === i);
        return these.length === 0
          ? []
          : [[`  ${folder}/ ${kind}`, String(these.length), size(bytesOf(these)), ""]];
      });
    }),
  ];
}

function folderOf(path: string): string {
  return path.slice(0, path.indexOf("/"));
}

function bytesOf(files: readonly TarballFile[]): number {
  return files.reduce((sum, { content }) => sum + content.length, 0);
}

/** In kB of 1,000 bytes, as npm counts. */
function size(bytes: number): string {
  return `${(bytes / 1_000).toFixed(1)} kB`;
}

function aligned(rows: readonly Row[]): string {
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  "),
    )
    .map((line) => line.trimEnd())
    .join("\n");
}
