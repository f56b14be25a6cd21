/** The longest room title, in characters. */
export const TITLE_LENGTH = 40;

const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/**
 * The address of a room made from its title: lower case letters, digits and single hyphens. A title that has
 * none of these (日本語, say) gets a short name derived from it, the same for everyone who types it.
 *
 * @example slugOf("Café del Centro") // "cafe-del-centro"
 * @returns `undefined` if nothing is left of the title.
 */
export function slugOf(title: string): string | undefined {
  const trimmed = title.trim();
  if (trimmed === "") return undefined;
  const slug = trimmed
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/\p{Mark}/gu, "")
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, TITLE_LENGTH)
    .replaceAll(/^-|-$/g, "");
  return slug === "" ? `sala-${hash32(trimmed).toString(36)}` : slug;
}

/** True for what `slugOf` can make: nothing else is a room's address. */
export function isSlug(text: string): boolean {
  return text.length <= TITLE_LENGTH && SLUG.test(text);
}

const NAMESPACE = "plaza:";

/** The channel of a room. */
export function channelOf(slug: string): string {
  return `${NAMESPACE}${slug}`;
}

/** The room of a channel, if it is one's. */
export function slugOfChannel(channel: string): string | undefined {
  const slug = channel.slice(NAMESPACE.length);
  return channel.startsWith(NAMESPACE) && isSlug(slug) ? slug : undefined;
}

/** The room that a URL hash points at, if it is one. */
export function slugOfHash(hash: string): string | undefined {
  const text = hash.replace(/^#\/?/, "").toLowerCase();
  return isSlug(text) ? text : undefined;
}

/** FNV-1a, 32 bits: the same number for the same text on every machine. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  // FNV leaves the low bits of similar texts similar; one round of mixing spreads them.
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x7feb352d);
  hash ^= hash >>> 15;
  return hash >>> 0;
}
