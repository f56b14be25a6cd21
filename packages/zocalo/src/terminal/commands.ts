import { type Command, Option } from "commander";
import type { Side } from "./applicable.ts";
import {
  collect,
  DEFAULT_MAX_MESSAGE_BYTES,
  type Flags,
  parseClosing,
  parseDuration,
  parseHeader,
  parseSize,
} from "./flags.ts";
import { runTerminal } from "./run.ts";

/**
 * Adds `zocalo listen URL` and `zocalo dial URL`.
 *
 * @param done told the exit code of the one that ran.
 */
export function addTerminalCommands(program: Command, done: (exitCode: number) => void): void {
  for (const side of ["listen", "dial"] as const) {
    const command = program
      .command(side)
      .summary(SUMMARY[side])
      .description(`${SUMMARY[side][0]?.toUpperCase()}${SUMMARY[side].slice(1)}.\n\n${DESCRIPTION[side]}`)
      .argument(
        "<URL>",
        `tcp://${HOST[side]}:PORT, udp://…, tls://…, unix:PATH, ws://${HOST[side]}:PORT/PATH, wss://…`,
      )
      .addHelpText("after", `${EXAMPLES[side]}${NOTES}`)
      .action(async (url: string, flags: Flags) => {
        done(await runTerminal(side, url, flags));
      });
    for (const option of optionsOf(side)) command.addOption(option);
  }
}

const SUMMARY: Readonly<Record<Side, string>> = {
  listen: "wait for a connection and join it with standard input and output",
  dial: "connect and join the connection with standard input and output",
};

const HOST: Readonly<Record<Side, string>> = { listen: "[HOST]", dial: "HOST" };

const DESCRIPTION: Readonly<Record<Side, string>> = {
  listen:
    "Takes one connection and ends with it, as netcat does; --echo and --broadcast serve any number until Ctrl-C. An empty host is every address of this machine, port 0 any free one: standard error says which.",
  dial: "Over a stream (tcp, tls, unix) every byte goes through, and the end of the input is passed on. Of a WebSocket each line is a text message, both ways, and at the end of the input it is closed. Over udp each portion is a datagram.",
};

const GROUPS = {
  all: "Options:",
  tls: "For tls and wss:",
  proxy: "For tcp, tls, ws and wss:",
  unix: "For unix:",
  websocket: "For ws and wss:",
} as const;

function optionsOf(side: Side): Option[] {
  const isListening = side === "listen";
  const options: Option[] = [];
  const add = (group: keyof typeof GROUPS, flags: string, what: string): Option => {
    const option = new Option(flags, what).helpGroup(GROUPS[group]);
    options.push(option);
    return option;
  };
  const choose = (listening: string, dialing: string): string => (isListening ? listening : dialing);

  add(
    "all",
    "--echo",
    choose(
      "send everything back, to any number of connections",
      "send everything back until the peer closes",
    ),
  );
  if (isListening)
    add("all", "--broadcast", "send what comes, from any connection or the input, to all connections");
  add(
    "all",
    "-k, --keep",
    choose(
      "when a connection ends, take the next one",
      "when the connection ends or fails, dial again a second later",
    ),
  );
  add("all", "--lines", "a line is a message: of streams, of datagrams and of binary messages");
  add("all", "--hex", "lines of hexadecimal digits stand for bytes, both ways");
  add(
    "all",
    "--raw",
    "write what comes as it is on a terminal, too. DANGER: it obeys the peer's escape sequences then",
  );
  add(
    "all",
    "-w, --timeout <TIME>",
    choose(
      "end when nothing comes or goes for this long: 5 (seconds), 300ms, 2m",
      "end when connecting takes longer, or nothing comes or goes for so long: 5 (seconds), 300ms, 2m",
    ),
  ).argParser(parseDuration);
  add("all", "--max-message <SIZE>", "largest message or line, such as 4096 or 16MiB")
    .argParser(parseSize)
    .default(DEFAULT_MAX_MESSAGE_BYTES, "64MiB");
  add("all", "-v, --verbose", "tell of connections even when standard output is not a terminal");
  if (isListening) {
    add("proxy", "--proxy-protocol", "take the peer's address from the PROXY header of a trusted proxy");
    add(
      "proxy",
      "--trusted-proxy <ADDRESS>",
      "whom to believe, as 10.0.0.5 or 10.0.0.0/8; repeat it for more (default: this machine)",
    ).argParser(collect);
    add("unix", "--replace-stale", "replace a socket file that a crashed server has left");
  }
  add(
    "tls",
    "--cert <FILE>",
    choose("certificate (PEM)", "this client's own certificate (PEM), if the server wants one"),
  );
  add("tls", "--key <FILE>", "its private key (PEM)");
  add(
    "tls",
    "--ca <FILE>",
    choose(
      "demand clients' certificates, signed by these authorities (PEM)",
      "believe these authorities (PEM) instead of the usual ones",
    ),
  );
  if (!isListening) {
    add("tls", "--servername <NAME>", "the name the certificate must be for (default: the host)");
    add(
      "tls",
      "--insecure",
      "DANGER: talk to anybody, unchecked; whoever is in between can read and change everything",
    );
  }
  add(
    "tls",
    "--accept-truncation",
    "DANGER: of tls, take a connection that is cut for one that has ended; for peers that never send a close_notify",
  );
  add("websocket", "--text", "send text messages; the default, but for --hex");
  add(
    "websocket",
    "--binary",
    "send binary messages, in portions as the input comes, and add no newlines to the output",
  );
  add(
    "websocket",
    "--subprotocol <NAME>",
    choose(
      "a subprotocol to agree on, best first; repeat it for more",
      "a subprotocol to offer; repeat it for more",
    ),
  ).argParser(collect);
  add(
    "websocket",
    "-H, --header <HEADER>",
    `add 'Name: value' to the ${choose("answer", "request")}; repeat it for more`,
  ).argParser(parseHeader);
  add(
    "websocket",
    "--origin <ORIGIN>",
    choose(
      "let pages of this origin in, such as https://example.org, or * for all; repeat it for more (default: those of this host)",
      "the Origin to send",
    ),
  ).argParser(collect);
  if (isListening) {
    add(
      "websocket",
      "--allowed-host <NAME>",
      "a name by which pages may call this host, such as chat.example.org or *.example.org; repeat it for more (default: localhost, the address, the name in the URL)",
    ).argParser(collect);
  }
  add("websocket", "--compress", "compress messages (permessage-deflate) if the peer can");
  add("websocket", "--ping", "ping every second and tell the round trip on standard error");
  add(
    "websocket",
    "--close <CODE[:REASON]>",
    "close so at the end of the input or on Ctrl-C, as in 4000:done",
  ).argParser(parseClosing);
  return options;
}

const EXAMPLES: Readonly<Record<Side, string>> = {
  listen: `
Examples:
  Receive a file that somebody sends by \`zocalo dial tcp://host:7000 < file\`:
    zocalo listen tcp://:7000 > file
  A WebSocket echo server:
    zocalo listen ws://:8080/echo --echo
  Every line of a log to every client that connects:
    tail -f log | zocalo listen ws://:8080 --broadcast
`,
  dial: `
Examples:
  Talk to a WebSocket server by hand, a message a line:
    zocalo dial ws://localhost:8080/ws
  Ask one thing, print the answer, end:
    echo '{"type":"ping"}' | zocalo dial ws://localhost:8080/ws
  Fetch a page over TLS:
    printf 'GET / HTTP/1.0\\r\\nHost: example.org\\r\\n\\r\\n' | zocalo dial tls://example.org:443
`,
};

const NOTES = `
When standard output is not a terminal, standard error has only failures and, as one line of JSON, where it listens:
{"event":"listening","url":"tcp://127.0.0.1:40123","address":"127.0.0.1:40123","port":40123}

Exit codes: 0 ended in order, 1 could not connect or listen, broke, or was closed with an error, 2 wrong command line or
input, 3 --timeout has passed, 130 and 143 ended by Ctrl-C and SIGTERM. More: docs/command-line.md.`;
