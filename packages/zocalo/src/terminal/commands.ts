import type { Command } from "commander";
import type { Flags } from "./flags.ts";
import { optionsOf, type TerminalCommandName } from "./options.ts";
import { runRelay, runTerminal } from "./run.ts";

/**
 * Adds `zocalo listen URL`, `zocalo dial URL` and `zocalo relay FROM TO`.
 *
 * @param done told the exit code of the one that ran.
 */
export function addTerminalCommands(program: Command, done: (exitCode: number) => void): void {
  const add = (name: TerminalCommandName): Command => {
    const summary = SUMMARY[name];
    const command = program
      .command(name)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.\n\n${DESCRIPTION[name]}`)
      .addHelpText("after", `${EXAMPLES[name]}${NOTES}`);
    for (const option of optionsOf(name)) command.addOption(option);
    return command;
  };
  for (const side of ["listen", "dial"] as const) {
    add(side)
      .argument("<URL>", urlsOf(side === "listen" ? "[HOST]" : "HOST"))
      .action(async (url: string, flags: Flags) => {
        done(await runTerminal(side, url, flags));
      });
  }
  add("relay")
    .argument("<FROM>", `where to listen: ${urlsOf("[HOST]")}`)
    .argument("<TO>", "whom to dial for each connection: the same, with a host")
    .action(async (from: string, to: string, flags: Flags) => {
      done(await runRelay(from, to, flags));
    });
}

function urlsOf(host: string): string {
  return `tcp://${host}:PORT, udp://…, tls://…, unix:PATH, ws://${host}:PORT/PATH, wss://…`;
}

const SUMMARY: Readonly<Record<TerminalCommandName, string>> = {
  listen: "wait for a connection and join it with standard input and output",
  dial: "connect and join the connection with standard input and output",
  relay: "listen on one address, and join each connection with one to another address",
};

const DESCRIPTION: Readonly<Record<TerminalCommandName, string>> = {
  listen:
    "Takes one connection and ends with it, as netcat does; --echo, --broadcast and --exec serve any number until Ctrl-C. An empty host is every address of this machine, port 0 any free one: standard error says which.",
  dial: "Over a stream (tcp, tls, unix) every byte goes through, and the end of the input is passed on. Of a WebSocket each line is a text message, both ways, and at the end of the input it is closed. Over udp each portion is a datagram.",
  relay:
    "FROM and TO may be of any two schemes. From stream to stream (tcp, tls, unix) bytes and ends are passed on, from WebSocket to WebSocket messages and the close code. Of a stream each portion is a binary message or a datagram, and what comes back is a part of the stream; --lines makes them lines. Each UDP address has a connection of its own. Who is behind holds the other side back. It serves until Ctrl-C.",
};

const EXAMPLES: Readonly<Record<TerminalCommandName, string>> = {
  listen: `
Examples:
  Receive a file that somebody sends by \`zocalo dial tcp://host:7000 < file\`:
    zocalo listen tcp://:7000 > file
  A WebSocket echo server:
    zocalo listen ws://:8080/echo --echo
  Every line of a log to every client that connects:
    tail -f log | zocalo listen ws://:8080 --broadcast
  A service of a command, a process for each connection:
    zocalo listen tcp://127.0.0.1:7000 --exec 'tr a-z A-Z'
`,
  dial: `
Examples:
  Talk to a WebSocket server by hand, a message a line:
    zocalo dial ws://localhost:8080/ws
  Ask one thing, print the answer, end:
    echo '{"type":"ping"}' | zocalo dial ws://localhost:8080/ws
  The same where the answer takes a moment: end when nothing has come for a second:
    echo '{"type":"history","channel":"plaza:general"}' | zocalo dial ws://localhost:8080/ws -w 1
  Fetch a page over TLS:
    printf 'GET / HTTP/1.0\\r\\nHost: example.org\\r\\n\\r\\n' | zocalo dial tls://example.org:443
  Which of these ports are open?
    zocalo dial -z tcp://localhost:8000-8010
`,
  relay: `
Examples:
  A server that speaks no TLS, for clients that do:
    zocalo relay tls://:7443 tcp://localhost:7000 --cert server.crt --key server.key
  A line server for browsers, a text message a line:
    zocalo relay ws://:8080 tcp://localhost:7000 --lines
  What do they say to each other?
    zocalo relay tcp://127.0.0.1:7001 tcp://db.example:5432 --record said.jsonl
`,
};

const NOTES = `
When standard output is not a terminal, standard error has only failures and, as one line of JSON, where it listens:
{"event":"listening","url":"tcp://127.0.0.1:40123","address":"127.0.0.1:40123","port":40123}

Exit codes: 0 ended in order, 1 could not connect or listen, broke, or was closed with an error, 2 wrong command line or
input, 3 --timeout has passed, 130 and 143 ended by Ctrl-C and SIGTERM. More: docs/command-line.md.`;
