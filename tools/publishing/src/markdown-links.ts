import { existsSync, statSync } from "node:fs";
import { join, posix } from "node:path";

/** A link of a Markdown text. */
export interface MarkdownLink {
  readonly target: string;
  /** Where the target begins in the text. */
  readonly at: number;
  readonly isImage: boolean;
}

/** Links in line, and definitions of links. */
const LINK =
  /(?<image>!?)\[(?:[^[\]]|\[[^\]]*\])*\]\((?<inline>[^()\s]+)[^()]*\)|^ {0,3}\[[^\]]+\]:\s*(?<defined>\S+)/gm;
const CODE = /^(?<fence>`{3,}|~{3,})[^\n]*\n.*?^\k<fence>[^\n]*$|(?<tick>`+)(?!`).*?(?<!`)\k<tick>(?!`)/gms;
const HAS_SCHEME = /^(?:[a-z][a-z\d+.-]*:|\/\/)/i;

/** The links of `markdown` that stand in no code. */
export function markdownLinks(markdown: string): MarkdownLink[] {
  const prose = markdown.replace(CODE, (code) => code.replace(/[^\n]/g, " "));
  return [...prose.matchAll(LINK)].map((match) => {
    const { image, inline, defined } = match.groups ?? {};
    const target = inline ?? defined ?? "";
    return { target, at: match.index + match[0].lastIndexOf(target), isImage: image === "!" };
  });
}

/** True for a link that only works beside the files of the repository. */
export function isRelative({ target }: MarkdownLink): boolean {
  return !target.startsWith("#") && !HAS_SCHEME.test(target);
}

/** Where a Markdown file stands, and where it is read. */
export interface LinkPlace {
  /** The repository on this disk. */
  readonly root: string;
  /** The folder of the file from there, with slashes. */
  readonly directory: string;
  /** The repository on the web. */
  readonly repository: string;
  /** The tag, branch or commit that links lead to. */
  readonly reference: string;
}

/**
 * Makes the links of `markdown` lead to the repository on the web: npm shows a README where none of its files
 * are.
 *
 * @throws Error for a link to what the repository does not have.
 */
export function withAbsoluteLinks(markdown: string, place: LinkPlace): string {
  let changed = markdown;
  for (const link of markdownLinks(markdown).filter(isRelative).reverse()) {
    const [path = "", fragment] = link.target.split("#");
    const inside = posix.normalize(posix.join(place.directory, decodeURI(path)));
    if (inside.startsWith("..") || !existsSync(join(place.root, inside))) {
      throw new Error(`${place.directory}: a link leads to ${link.target}, which is not there`);
    }
    const isDirectory = statSync(join(place.root, inside)).isDirectory();
    const kind = isDirectory ? "tree" : link.isImage ? "raw" : "blob";
    const url = `${place.repository}/${kind}/${place.reference}/${encodeURI(inside.replace(/\/$/, ""))}`;
    const absolute = fragment === undefined ? url : `${url}#${fragment}`;
    changed = changed.slice(0, link.at) + absolute + changed.slice(link.at + link.target.length);
  }
  return changed;
}
