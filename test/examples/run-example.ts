// A process that runs one example and tells what becomes of it. argv: MODULE HOME, then for a client MODE…
// with the hostile ports.
//
// `served`: every address it listens on is reported, and it stops at its pause until its parent says "go on".
// `dialing`: whatever it dials becomes one of the parent's hostile ports, one after the other. `accepting`:
// wherever it listens a stranger is first, before its own client, another one each time it is run.
//
// Exit codes: 0 it lived; 1 it threw, as every program may; 3 a rejection or an exception that no line of it
// could have caught.
import dgram from "node:dgram";
import dns from "node:dns";
import { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { STRANGERS, visit, visitDatagrams } from "./hostile-peers.ts";
import { surround } from "./surroundings.ts";

/**
 * Turns of both event loops, and for each of the parent's as many of ours, after which what a peer's last act
 * causes has happened.
 */
const SETTLING_TURNS = 4;
const OWN_TURNS = 25;
const DIED = 3;

const [, , file = "", home = "", mode = "", ports = "", fragment = ""] = process.argv;
const isFragment = fragment === "fragment";
const url = pathToFileURL(file).href;

for (const event of ["unhandledRejection", "uncaughtException"] as const) {
  process.on(event, (error: unknown) => {
    console.error(event, error);
    process.exit(DIED);
  });
}

// The test is gone: nobody would ever end this process. (If it spins and does not come to this line, its
// limit of processor time ends it.)
process.on("disconnect", () => process.exit(0));

/** Names are not looked up: whoever is dialed is replaced, or is on this machine. */
const nobody = (
  _host: string,
  ...rest: [...options: object[], callback: (...found: unknown[]) => void]
): void => {
  const [options, callback] = [rest[0], rest[rest.length - 1] as (...found: unknown[]) => void];
  const isAll = typeof options === "object" && "all" in options && options.all === true;
  setImmediate(() =>
    isAll ? callback(null, [{ address: "127.0.0.1", family: 4 }]) : callback(null, "127.0.0.1", 4),
  );
};
Object.assign(dns, { lookup: nobody });
syncBuiltinESMExports();

/** Resolves when the example listens somewhere. */
let hasListened: () => void = () => undefined;
const listened = new Promise<void>((resolve) => (hasListened = resolve));

/** What has happened to the sockets that were dialed. */
let events = 0;
const happened = (): void => void events++;

/** Where a server or a datagram socket of the example is; called before the example learns of it. */
let onListening: (at: { port: number; host: string } | { path: string }) => void = () => undefined;
let onBound: (port: number) => void = () => undefined;
/** The datagram socket that is bound now is a stranger's. */
let isStranger = false;

/* oxlint-disable typescript/unbound-method, typescript/no-unnecessary-type-assertion -- these methods are replaced, and called with their `this` */
// Any free port, where an example names one: another program may have it.
const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (this: net.Server, ...args: unknown[]) {
  const [options] = args;
  // What net tries on itself (`node/loopback.ts`) is nobody's server.
  const isTrial =
    typeof options === "object" && options !== null && "exclusive" in options && "host" in options;
  if (isTrial) return Reflect.apply(listen, this, args) as net.Server;
  if (typeof options === "object" && options !== null && "port" in options) options.port = 0;
  else if (typeof options === "number") args[0] = 0;
  this.once("listening", () => {
    const address = this.address();
    process.send?.({ listening: address });
    hasListened();
    // Not by a name, which would have to be looked up.
    if (typeof address === "string") onListening({ path: address });
    else if (address !== null) onListening({ port: address.port, host: "127.0.0.1" });
  });
  return Reflect.apply(listen, this, args) as net.Server;
} as typeof listen;
const { bind } = dgram.Socket.prototype;
dgram.Socket.prototype.bind = function (this: dgram.Socket, ...args: unknown[]) {
  const [options] = args;
  if (typeof options === "object" && options !== null && "port" in options) options.port = 0;
  if (isStranger) return Reflect.apply(bind, this, args) as dgram.Socket;
  this.once("listening", () => {
    process.send?.({ bound: this.address() });
    hasListened();
    onBound(this.address().port);
  });
  return Reflect.apply(bind, this, args) as dgram.Socket;
} as typeof bind;

if (mode === "served") await serve();
else if (mode === "accepting") await acceptStrangers();
else await dialAll(JSON.parse(ports) as { tcp: number; udp: number }[]);

async function serve(): Promise<void> {
  Object.assign(globalThis, { pause });
  if (isFragment) await surround(readFileSync(fileURLToPath(url), "utf8"), home);
  const running = import(url);
  if (isFragment) {
    // It never ends by itself.
    void running.catch(threw);
    await listened;
    await settle();
    await pause();
    return;
  }
  await running.catch(threw);
}

/** Stops until the peers have done their worst. */
async function pause(): Promise<void> {
  process.send?.({ paused: true });
  await told("go on");
  await settle();
  process.channel?.unref();
}

function threw(error: unknown): never {
  console.error("threw", error);
  process.exit(1);
}

async function dialAll(hostile: { tcp: number; udp: number }[]): Promise<void> {
  let to = { tcp: 0, udp: 0 };
  const { connect } = net.Socket.prototype;
  net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
    const options: unknown = Array.isArray(args[0]) ? args[0][0] : args[0];
    if (typeof options === "object" && options !== null && "port" in options) {
      Object.assign(options, { port: to.tcp, host: "127.0.0.1" });
    }
    for (const event of ["connect", "end", "error", "close"]) this.prependListener(event, happened);
    return Reflect.apply(connect, this, args) as net.Socket;
  } as typeof connect;
  const connectDatagram = dgram.Socket.prototype.connect;
  dgram.Socket.prototype.connect = function (this: dgram.Socket, ...[, , ...rest]: unknown[]) {
    for (const event of ["connect", "message", "error"]) this.prependListener(event, happened);
    Reflect.apply(connectDatagram, this, [to.udp, "127.0.0.1", ...rest.slice(-1)]);
  } as typeof connectDatagram;
  for (const [round, next] of hostile.entries()) {
    to = next;
    await run(round);
  }
  process.exit(0);
}

async function acceptStrangers(): Promise<void> {
  const { connect } = net.Socket.prototype;
  net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
    for (const event of ["connect", "end", "error", "close"]) this.prependListener(event, happened);
    return Reflect.apply(connect, this, args) as net.Socket;
  } as typeof connect;
  for (const [round, stranger] of STRANGERS.entries()) {
    const visits: Promise<void>[] = [];
    onListening = (at) => void visits.push(visit(stranger, at));
    onBound = (port) => {
      isStranger = true;
      visits.push(visitDatagrams(port, happened));
      isStranger = false;
    };
    await run(round);
    await Promise.all(visits);
    await settle();
  }
  process.exit(0);
}

/** Runs it once, until it has ended or nothing happens any more. */
async function run(round: number): Promise<void> {
  Object.assign(globalThis, { pause: () => Promise.resolve() });
  events = 0;
  let isSettled = false;
  const running = (async () => {
    if (isFragment) await surround(readFileSync(fileURLToPath(url), "utf8"), home);
    await import(`${url}?round=${round}`);
  })();
  void (async () => {
    try {
      await running;
    } catch (error) {
      if (error instanceof ReferenceError) threw(error);
    }
    isSettled = true;
  })();
  // A program may go on waiting for a server of its own that nobody has dialed, or for a stranger: it is left
  // when nothing happens any more.
  for (let seen = -1; !isSettled && (events === 0 || seen !== events); await settle()) seen = events;
  await settle();
}

async function settle(): Promise<void> {
  for (let count = 0; count < SETTLING_TURNS; count++) {
    process.send?.({ ping: true });
    await told("pong");
    for (let own = 0; own < OWN_TURNS; own++) await turn();
  }
}

function told(word: string): Promise<void> {
  return new Promise((resolve) => {
    const listen = (message: unknown): void => {
      if (message !== word) return;
      process.off("message", listen);
      resolve();
    };
    process.on("message", listen);
  });
}
