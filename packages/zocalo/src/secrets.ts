/** Stands where a secret stood. */
export const HIDDEN = "[Redacted]";

/** How deep a value is looked into; what lies deeper is hidden as a whole. */
const MAX_DEPTH = 32;

/**
 * Ends of names, in small letters without what separates words: `Set-Cookie`, `access_token` and `dbPassword`
 * end so.
 */
const SECRET_END =
  /(?:tokens?|tickets?|passwords?|passwd|passphrase|secrets?|authorization|basicauth|cookies?|credentials?|jwt|signature|(?:api|access|encryption|private|secret|shared|signing|ssh|ssl|tls)key)(?:hash|value|\d{1,3})?$/;
/** Whole names, too short to look for their ends: a monkey is no key. */
const SECRET_NAME = /^(?:key|auth|bearer|pass|pwd|sid|sessionid|sig)$/;

/** True for the name of a field, a header or a parameter whose value nobody should read in a log. */
export function isSecretName(name: string): boolean {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, "");
  return SECRET_END.test(plain) || SECRET_NAME.test(plain);
}

/** User and password of a URL, with the slashes before them: browsers take one, or backslashes, for two. */
const USER_INFO = /(\b[a-z][a-z\d+.-]{0,15}:[/\\]+|[/\\]{2,})[^\s/?#"'<>\\]+@/gi;
/**
 * `name=value`, in a query or anywhere else. Names are bounded, so that a text of nothing but separators
 * takes linear time.
 */
const PARAMETER = /(^|[?&;#\s,("'])([\w.%~[\]-]{1,64})=(?:"[^"]*"|[^&;#\s,"'<>\\)]+)/g;
/** `"name":"value"`, `name: 'value'`: in a text that is JSON, or shows an object. */
const FIELD = /\b([\w-]{1,64})(["']? {0,8}: {0,8})(?:(")((?:\\.|[^"\\])*)|(')((?:\\.|[^'\\])*))/gs;
/** `\"name\":\"value\"`: in a text of JSON that is quoted in JSON. */
const QUOTED_FIELD = /(\\"([\w-]{1,64})\\" {0,8}: {0,8}\\")(?:[^"\\]|\\\\(?:\\.|[^\\"]))*/gs;
/** A header as text, from its name to the end of the line. */
const HEADER = /((?:authorization|cookie|api-key|auth-token)["']?[ \t]{0,8}:)[^\r\n]+/gi;
/** The scheme of HTTP authentication and what follows it, if that is no plain word (RFC 9110 §11.4). */
const AUTHENTICATION =
  /\b(bearer|basic|digest|negotiate)[ \t]{1,8}(?=[^\s\d=._+]{0,2048}[\d=._+])[\w.~+/=-]+/gi;
/** Three parts in base64url, of which the first is a JSON object (RFC 7519 §3). */
const JSON_WEB_TOKEN = /(?<![\w-])eyJ[\w-]{6,}\.[\w-]*\.[\w-]*/g;

/**
 * Text without what looks like a secret: users and passwords of URLs, parameters with the name of one
 * (`?token=…`), headers with credentials, JSON Web Tokens. What it cannot know, such as a password in the
 * middle of a sentence, stays.
 */
export function withoutSecrets(text: string): string {
  const open = text
    .replace(USER_INFO, `$1${HIDDEN}@`)
    .replace(HEADER, `$1 ${HIDDEN}`)
    .replace(AUTHENTICATION, `$1 ${HIDDEN}`)
    .replace(PARAMETER, (all: string, before: string, name: string) =>
      isSecretName(decoded(name)) ? `${before}${name}=${HIDDEN}` : all,
    )
    .replace(QUOTED_FIELD, (all: string, start: string, name: string) =>
      isSecretName(name) ? `${start}${HIDDEN}` : all,
    );
  return withoutFields(open).replace(JSON_WEB_TOKEN, HIDDEN);
}

/**
 * A value that is shown is looked into, too: it has one kind of quotes less, so this goes no deeper than
 * three.
 */
function withoutFields(text: string): string {
  return text.replace(
    FIELD,
    (_, name: string, between: string, double?: string, inDouble = "", single = "", inSingle = "") =>
      `${name}${between}${double ?? single}${isSecretName(name) ? HIDDEN : withoutFields(inDouble || inSingle)}`,
  );
}

/** The name of a parameter, of which any character may be written as `%XX`. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // It is not encoded, so it is what it says.
  }
}

/** How browsers pass a token to a WebSocket, having no headers: as a subprotocol, or as the one behind it. */
const TOKEN_FOLLOWS = /^(?:bearer|authorization|access[._-]?token|token|jwt)$/i;
const HAS_TOKEN = /(?:^|[.:_-])(?:bearer|auth(?:orization)?|token|jwt|(?:api)?key|secret)[.:=_-].|^eyJ/i;
/** What is longer is taken for a token. In characters. */
const MAX_SUBPROTOCOL_LENGTH = 48;

/** A list of subprotocols without those that carry a token, such as `bearer.s3cret`. */
export function withoutTokens(subprotocols: string): string {
  const names = subprotocols.split(",").map((name) => name.trim());
  return names
    .map((name, at) => {
      const follows = TOKEN_FOLLOWS.test(names[at - 1] ?? "");
      return follows || name.length > MAX_SUBPROTOCOL_LENGTH || HAS_TOKEN.test(name) ? HIDDEN : name;
    })
    .join(", ");
}

function isSubprotocols(name: string): boolean {
  return /^(?:sec-websocket-protocol|subprotocols?)$/i.test(name);
}

/**
 * A value of JSON without secrets, at any depth: fields with the name of one, in any case; in an array what
 * stands behind such a name, as in Node's `rawHeaders`; and each text `withoutSecrets`.
 *
 * @param maxTextLength longer texts are cut, and end with `…`. In UTF-16 code units. Default: none is.
 */
export function maskSecrets(value: unknown, maxTextLength = Infinity): unknown {
  return masked(value, "", maxTextLength, MAX_DEPTH);
}

/** @param name of what holds the value, `""` if nothing does. */
function masked(value: unknown, name: string, maxLength: number, depth: number): unknown {
  if (isSecretName(name) && isTelling(value)) return HIDDEN;
  if (typeof value === "string") {
    const open = isSubprotocols(name) ? withoutTokens(value) : withoutSecrets(value);
    return open.length > maxLength ? `${open.slice(0, maxLength)}…` : open;
  }
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) return HIDDEN;
  if (Array.isArray(value)) return maskedItems(value, name, maxLength, depth);
  return maskedFields(value, maxLength, depth);
}

/** True and false, and nothing, tell no secret. */
function isTelling(value: unknown): boolean {
  return typeof value !== "boolean" && value !== null && value !== undefined && value !== "";
}

function maskedItems(
  items: readonly unknown[],
  name: string,
  maxLength: number,
  depth: number,
): readonly unknown[] {
  return items.map((item, at) => {
    const before: unknown = items[at - 1];
    // Names and values in turn, or one pair of them.
    const isNamed = typeof before === "string" && /^[\w-]{1,64}$/.test(before);
    return masked(item, isNamed && mayNameSecret(before) ? before : name, maxLength, depth - 1);
  });
}

function mayNameSecret(name: string): boolean {
  return isSecretName(name) || isSubprotocols(name);
}

function maskedFields(fields: object, maxLength: number, depth: number): object {
  // `{ name: "Cookie", value: "…" }`
  const { name: own, key, header } = fields as Readonly<Record<string, unknown>>;
  const named = [own, key, header].find((each) => typeof each === "string") ?? "value";
  const shown = Object.entries(fields).map(([name, value]): [string, unknown] => [
    withoutSecrets(name),
    masked(value, name === "value" ? named : name, maxLength, depth - 1),
  ]);
  return Object.fromEntries(shown);
}
