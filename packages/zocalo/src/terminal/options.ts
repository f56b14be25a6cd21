import { Option } from "commander";
import type { Side } from "./applicable.ts";
import {
  collect,
  DEFAULT_MAX_MESSAGE_BYTES,
  parseClosing,
  parseCount,
  parseDuration,
  parseHeader,
  parseSize,
  parseSource,
} from "./flags.ts";

/** Which of the commands an option is for. */
export type TerminalCommandName = Side | "relay";

type Words = string | { readonly [K in TerminalCommandName]?: string };

const GROUPS = {
  all: "Options:",
  tls: "For tls and wss:",
  network: "For tcp, tls, ws and wss:",
  unix: "For unix:",
  udp: "For udp:",
  websocket: "For ws and wss:",
} as const;

interface Row {
  readonly group: keyof typeof GROUPS;
  readonly flags: string;
  /** What it does, in each command that has it; one text for all three. */
  readonly what: Words;
  /** Makes a value of a text, or adds it to those before. */
  readonly parse?: (text: string, before: never) => unknown;
}

/** The options of one command, in the order in which its help has them. */
export function optionsOf(command: TerminalCommandName): Option[] {
  const options: Option[] = [];
  for (const { group, flags, what, parse } of ROWS) {
    const words = typeof what === "string" ? what : what[command];
    if (words === undefined) continue;
    const option = new Option(flags, words).helpGroup(GROUPS[group]);
    if (parse !== undefined) option.argParser(parse as (text: string, before: unknown) => unknown);
    if (parse === parseSize) option.default(DEFAULT_MAX_MESSAGE_BYTES, "64MiB");
    options.push(option);
  }
  return options;
}

const ROWS: readonly Row[] = [
  {
    group: "all",
    flags: "--echo",
    what: {
      listen: "send everything back, to any number of connections",
      dial: "send everything back until the peer closes",
    },
  },
  {
    group: "all",
    flags: "--broadcast",
    what: { listen: "send what comes, from any connection or the input, to all connections" },
  },
  {
    group: "all",
    flags: "--exec <COMMAND>",
    what: {
      listen: "join each connection with this command, run by a shell, in place of standard input and output",
      dial: "join the connection with this command, run by a shell, in place of standard input and output",
    },
  },
  {
    group: "all",
    flags: "-k, --keep",
    what: {
      listen: "when a connection ends, take the next one",
      dial: "when the connection ends or fails, dial again a second later",
    },
  },
  {
    group: "all",
    flags: "--reconnect",
    what: {
      dial: "as --keep, but wait longer after each failure: a random time of up to 1 s, 2 s, 4 s … 30 s; end with the input",
    },
  },
  {
    group: "all",
    flags: "-z, --scan",
    what: {
      dial: "only connect, and report on standard output; the port may be a range, as in tcp://host:8000-8010",
    },
  },
  {
    group: "all",
    flags: "--lines",
    what: {
      listen: "a line is a message: of streams, of datagrams and of binary messages",
      dial: "a line is a message: of streams, of datagrams and of binary messages",
      relay:
        "a line of a stream is a message (text) or a datagram of the other side, and the other way round",
    },
  },
  {
    group: "all",
    flags: "--hex",
    what: {
      listen: "lines of hexadecimal digits stand for bytes, both ways",
      dial: "lines of hexadecimal digits stand for bytes, both ways",
    },
  },
  {
    group: "all",
    flags: "--raw",
    what: {
      listen:
        "write what comes as it is on a terminal, too. DANGER: it obeys the peer's escape sequences then",
      dial: "write what comes as it is on a terminal, too. DANGER: it obeys the peer's escape sequences then",
    },
  },
  {
    group: "all",
    flags: "--record <FILE>",
    what: "add all that comes and goes to this file, as lines of JSON; only you can read it",
  },
  {
    group: "all",
    flags: "--max-connections <N>",
    what: {
      listen: "with --exec: most programs at once; further connections wait (default: 100)",
      relay: "most connections at once; further ones wait (default: 1000)",
    },
    parse: parseCount,
  },
  {
    group: "all",
    flags: "-w, --timeout <TIME>",
    what: {
      listen: "end when nothing comes or goes for this long: 5 (seconds), 300ms, 2m",
      dial: "end when connecting takes longer, or nothing comes or goes for so long: 5 (seconds), 300ms, 2m",
      relay:
        "for connecting to TO (default: 10s), and end a pair when nothing comes or goes for so long: 5 (seconds), 300ms, 2m",
    },
    parse: parseDuration,
  },
  {
    group: "all",
    flags: "--max-message <SIZE>",
    what: "largest message or line, such as 4096 or 16MiB",
    parse: parseSize,
  },
  {
    group: "all",
    flags: "-v, --verbose",
    what: "tell of connections even when standard output is not a terminal",
  },
  {
    group: "network",
    flags: "--proxy-protocol",
    what: {
      listen: "take the peer's address from the PROXY header of a trusted proxy",
      relay: "FROM: take the peer's address from the PROXY header of a trusted proxy",
    },
  },
  {
    group: "network",
    flags: "--trusted-proxy <ADDRESS>",
    what: {
      listen: "whom to believe, as 10.0.0.5 or 10.0.0.0/8; repeat it for more (default: this machine)",
      relay: "whom to believe, as 10.0.0.5 or 10.0.0.0/8; repeat it for more (default: this machine)",
    },
    parse: collect,
  },
  {
    group: "network",
    flags: "--source <ADDRESS>",
    what: {
      dial: "dial from this address of this machine, as 10.0.0.5 or 10.0.0.5:4000 (udp, too)",
      relay: "TO: dial from this address of this machine, as 10.0.0.5 or 10.0.0.5:4000 (udp, too)",
    },
    parse: parseSource,
  },
  {
    group: "network",
    flags: "--proxy <URL>",
    what: {
      dial: "go through a proxy: socks5://user:password@host:1080, http://… (CONNECT) or https://…",
      relay: "TO: go through a proxy: socks5://user:password@host:1080, http://… (CONNECT) or https://…",
    },
  },
  {
    group: "unix",
    flags: "--replace-stale",
    what: {
      listen: "replace a socket file that a crashed server has left",
      relay: "FROM: replace a socket file that a crashed server has left",
    },
  },
  {
    group: "udp",
    flags: "--trust-sources",
    what: {
      listen:
        "with --exec, --echo and --broadcast: DANGER: send more to an address than came from it; whoever forges one makes this flood another",
      relay:
        "FROM: DANGER: send more to an address than came from it; whoever forges one makes this flood another",
    },
  },
  {
    group: "tls",
    flags: "--cert <FILE>",
    what: {
      listen: "certificate (PEM)",
      dial: "this client's own certificate (PEM), if the server wants one",
      relay: "FROM: certificate (PEM)",
    },
  },
  { group: "tls", flags: "--key <FILE>", what: "its private key (PEM)" },
  {
    group: "tls",
    flags: "--ca <FILE>",
    what: {
      listen: "demand clients' certificates, signed by these authorities (PEM)",
      dial: "believe these authorities (PEM) instead of the usual ones",
      relay: "TO: believe these authorities (PEM) instead of the usual ones",
    },
  },
  {
    group: "tls",
    flags: "--client-ca <FILE>",
    what: { relay: "FROM: demand clients' certificates, signed by these authorities (PEM)" },
  },
  {
    group: "tls",
    flags: "--client-cert <FILE>",
    what: { relay: "TO: the relay's own certificate (PEM), if the server wants one" },
  },
  { group: "tls", flags: "--client-key <FILE>", what: { relay: "its private key (PEM)" } },
  {
    group: "tls",
    flags: "--servername <NAME>",
    what: {
      dial: "the name the certificate must be for (default: the host)",
      relay: "TO: the name the certificate must be for (default: the host)",
    },
  },
  {
    group: "tls",
    flags: "--insecure",
    what: {
      dial: "DANGER: talk to anybody, unchecked; whoever is in between can read and change everything",
      relay: "TO: DANGER: talk to anybody, unchecked; whoever is in between can read and change everything",
    },
  },
  {
    group: "tls",
    flags: "--accept-truncation",
    what: "DANGER: of tls, take a connection that is cut for one that has ended; for peers that never send a close_notify",
  },
  {
    group: "websocket",
    flags: "--text",
    what: {
      listen: "send text messages; the default, but for --hex",
      dial: "send text messages; the default, but for --hex",
      relay:
        "send text messages; the default with --lines, and what datagrams become that are binary without it",
    },
  },
  {
    group: "websocket",
    flags: "--binary",
    what: {
      listen: "send binary messages, in portions as the input comes, and add no newlines to the output",
      dial: "send binary messages, in portions as the input comes, and add no newlines to the output",
      relay: "send binary messages; the default without --lines",
    },
  },
  {
    group: "websocket",
    flags: "--subprotocol <NAME>",
    what: {
      listen: "a subprotocol to agree on, best first; repeat it for more",
      dial: "a subprotocol to offer; repeat it for more",
      relay: "FROM: agree on, best first; TO: offer what was agreed on, or all; repeat it for more",
    },
    parse: collect,
  },
  {
    group: "websocket",
    flags: "-H, --header <HEADER>",
    what: {
      listen: "add 'Name: value' to the answer; repeat it for more",
      dial: "add 'Name: value' to the request; repeat it for more",
      relay: "TO: add 'Name: value' to the request; repeat it for more",
    },
    parse: parseHeader,
  },
  {
    group: "websocket",
    flags: "--origin <ORIGIN>",
    what: {
      listen:
        "let pages of this origin in, such as https://example.org, or * for all; repeat it for more (default: those of this host)",
      dial: "the Origin to send",
      relay:
        "FROM: let pages of this origin in, such as https://example.org, or * for all; repeat it for more (default: those of this host)",
    },
    parse: collect,
  },
  {
    group: "websocket",
    flags: "--allowed-host <NAME>",
    what: {
      listen:
        "a name by which pages may call this host, such as chat.example.org or *.example.org; repeat it for more (default: localhost, the address, the name in the URL)",
      relay:
        "FROM: a name by which pages may call this host, such as chat.example.org or *.example.org; repeat it for more (default: localhost, the address, the name in the URL)",
    },
    parse: collect,
  },
  {
    group: "websocket",
    flags: "--compress",
    what: "compress messages (permessage-deflate) if the peer can",
  },
  {
    group: "websocket",
    flags: "--ping",
    what: {
      listen: "ping every second and tell the round trip on standard error",
      dial: "ping every second and tell the round trip on standard error",
    },
  },
  {
    group: "websocket",
    flags: "--close <CODE[:REASON]>",
    what: {
      listen: "close so at the end of the input or on Ctrl-C, as in 4000:done",
      dial: "close so at the end of the input or on Ctrl-C, as in 4000:done",
    },
    parse: parseClosing,
  },
];
