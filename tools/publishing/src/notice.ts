/** The licences of what a page bundles, as the bundler wrote them. */
export interface BundleNotice {
  /** The folder of the page. */
  readonly page: string;
  readonly text: string;
}

/** The NOTICE of a package: whose it is, and what of others is in it. */
export function noticeOf(name: string, licence: string, bundles: readonly BundleNotice[]): string {
  const head = `${name}\nCopyright (c) Zocalo contributors. ${licence} licence: see LICENSE.\n`;
  if (bundles.length === 0) return `${head}\nNothing of others is in this package.\n`;
  const parts = bundles.map(
    ({ page, text }) =>
      `${"-".repeat(80)}\nIn ${page}/ there is also, in a form made from its sources:\n\n${bundled(text)}\n`,
  );
  return [head, ...parts].join("\n");
}

/** Without the heading and the sentence that the bundler puts before the licences. */
function bundled(text: string): string {
  const first = text.indexOf("\n## ");
  return (first < 0 ? text : text.slice(first)).trim();
}
