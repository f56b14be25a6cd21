import { EXIT } from "./exit-code.ts";
import type { Setting } from "./setting.ts";
import { flagOf, SETTING_NAMES, SETTINGS, variableOf } from "./settings.ts";

/** The text of docs/configuration.md, from the table of settings. */
export function configurationPage(): string {
  return `# Configuration

<!-- Written from packages/zocalo/src/settings.ts by \`npm run docs --workspace packages/zocalo\`. -->

Every setting of \`zocalo serve\` can be given in three ways. The first of these that names it counts:

1. a flag: \`zocalo serve --http-port 80\`
2. an environment variable: \`ZOCALO_HTTP_PORT=80\`
3. a file with one JSON object: \`{ "httpPort": 80 }\`. It is \`zocalo.config.json\` in the working directory if there is one, or the file
   named by \`--config FILE\` or \`ZOCALO_CONFIG\`.

A setting of several values is an array in the file, and a list with commas elsewhere: \`--allowed-hosts example.org,192.0.2.1\`; an empty one has none.

The names follow from each other: \`httpPort\` in the file, \`--http-port\`, \`ZOCALO_HTTP_PORT\`. All values are checked at start, and a key of the
file or a \`ZOCALO_…\` variable that is not a setting is an error, so that a slip of the finger is not ignored. Switches of the sockets below, such as
\`ZOCALO_NO_READ_BUFFER\`, are theirs.

| in the file | flag, variable | default | allowed |
| --- | --- | --- | --- |
${SETTING_NAMES.map(row).join("\n")}

${SETTING_NAMES.map((name) => `**\`${name}\`** ${about(name).what}`).join("\n\n")}

## Namespaces

A channel belongs to the namespace that stands before the first \`:\` of its name; in one that is not listed nothing can be done.
Whoever brings a token is a user (\`tokenSecret\` and the settings behind it, [guide](guide-authentication.md)); everybody else is a guest. A program of your own may decide otherwise who somebody is, and what they may (\`authenticate\` of \`Hub\`).

| | default | allowed |
| --- | --- | --- |
| \`subscribe\` | \`"nobody"\` | who may subscribe, and read history and presence: \`"anyone"\`, \`"users"\` (who bring a token) or \`"nobody"\` |
| \`publish\` | \`"nobody"\` | who may publish: the same words |
| \`cast\` | \`"nobody"\` | who may say what is of this moment, and in no log: the same words |
| \`senders\` | \`false\` | true: what is published and cast says which session it is of, by a public name |
| \`presence\` | \`false\` | true: those who subscribe can be seen, and can see each other |
| \`history.publications\` | 1000 | how many are kept for those who come later or fall behind; 0: none |
| \`history.bytes\` | 1048576 | how much JSON text, or how many bytes, of one channel are kept |
| \`history.ttlMs\` | 86400000 | how long one is kept, in milliseconds |
| \`data\` | \`"json"\` | \`"bytes"\`: what is published and cast are bytes; clients that speak JSON have them in base64 |
| \`maxDataLength\` | 49152, of bytes 36864 | longest JSON text of one publication's \`data\`, from 1 to 1048576 (1 MiB), or in a namespace of bytes how many they may be. With more every client may send commands so much longer, each of which is checked at once (some ten milliseconds for 1 MiB, in which all others wait) and counts for one more with each 1,024 characters (by default a session sends 1 MiB at once, and another about two seconds later), and messages as long may wait for each that reads slowly: allow it where you know who publishes. Raise \`history.bytes\` with it: a longer publication reaches only those who are live |
| \`keyMs\` | 300000 | how long the \`key\` of a publication is known, in milliseconds; 0: not at all, so that what is sent again is there twice |

## An example

\`\`\`json
${JSON.stringify(EXAMPLE, null, 2)}
\`\`\`

## Output

Standard output has the banner: where it listens, with the real ports where \`0\` was asked for. The log goes to standard error.

What a peer says is data. In both formats control characters, bidirectional overrides and other invisible format characters are escaped (in JSON as JSON has it), and a text
is cut at 16,384 characters. Hidden, at any depth, are values of fields and headers that are called like a secret (\`token\`, \`ticket\`, \`password\`, \`key\`, \`cookie\`, \`authorization\` and
the like), users and passwords of URLs, such parameters of a query (\`?token=…\`), subprotocols that carry a token, and JSON Web Tokens. The log cannot know a password in the
middle of a sentence.

## Exit codes

| code | meaning |
| --- | --- |
| ${EXIT.ok} | stopped by SIGINT (Ctrl-C) or SIGTERM: no new clients, a \`disconnect\` with code 1001 to those there are, and at most \`drainMs\` for them to leave |
| ${EXIT.failed} | could not start, or broke: a port is taken, an address is not this machine's, permission is missing. One sentence says which |
| ${EXIT.usage} | the command line, a variable or the file is wrong; every fault is named, nothing was started |
| ${EXIT.interrupted}, ${EXIT.terminated} | a second SIGINT or SIGTERM came during the stop: it ended at once |
`;
}

/** Also checked by a test to be accepted. */
export const EXAMPLE = {
  host: "::",
  httpPort: 80,
  udpPort: "off",
  allowedHosts: ["example.org"],
  allowedOrigins: ["https://pages.example.org"],
  namespaces: {
    plaza: { subscribe: "anyone", publish: "anyone", presence: true },
    sensors: { subscribe: "anyone", publish: "anyone", history: { publications: 100, ttlMs: 3_600_000 } },
  },
};

function row(name: (typeof SETTING_NAMES)[number]): string {
  const { allowed, placeholder, isSecret, ...setting } = about(name);
  const flag = isSecret === true ? "no flag" : `\`${flagOf(name)} ${placeholder}\``;
  const names = placeholder === undefined ? "–" : `${flag}<br>\`${variableOf(name)}\``;
  return `| \`${name}\` | ${names} | \`${JSON.stringify(setting.default)}\` | ${allowed} |`;
}

function about(name: (typeof SETTING_NAMES)[number]): Setting {
  return SETTINGS[name];
}
