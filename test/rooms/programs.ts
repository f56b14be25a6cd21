// Rooms as processes of their own. Run with `server DIRECTORY`, which is killed; with `lane TICKET`, which
// dials a lane whose ticket another process has; or with `visit`, where everybody comes, leaves, and the
// process has to end by itself.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect } from "@zocalo/client";
import { durable, Hub } from "@zocalo/hub";
import { listenPacket } from "@zocalo/net";
import { dialLane, join, roomNamespaces, Rooms, SessionLanes, udpLanes } from "@zocalo/room";
import * as websocket from "@zocalo/websocket";
import { square, squareRoom } from "./square.ts";
import { Told, toldClock, toldUdp } from "./told.ts";

/** One of them, and the lines that it says. */
export class RoomProgram implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  readonly said: string[] = [];
  readonly closed: Promise<unknown>;

  constructor(...args: readonly string[]) {
    const flags = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx")];
    this.child = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url), ...args], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    this.closed = once(this.child, "close");
    this.child.stderr.pipe(process.stderr);
    createInterface(this.child.stdout).on("line", (line) => this.said.push(line));
  }

  /** Waits for its next line. */
  async says(): Promise<string> {
    for (;;) {
      const line = this.said.shift();
      if (line !== undefined) return line;
      if (this.child.exitCode !== null) throw new Error("it has ended, and said nothing");
      await Promise.race([once(this.child.stdout, "data"), this.closed]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.closed;
  }
}

async function serve(directory: string): Promise<void> {
  const hub = new Hub({ namespaces: roomNamespaces, engine: await durable(directory) });
  const listener = await websocket.listen("127.0.0.1:0");
  const address = `ws://${String(listener.addr)}`;
  const rooms = new Rooms(hub, { square: squareRoom }, { checkpointMs: 20, address });
  await rooms.open();
  console.log(String(listener.addr));
  await hub.serve(listener);
}

/** Sends until it is killed. */
function sendOn(ticket: string): void {
  const lane = dialLane(JSON.parse(ticket) as Parameters<typeof dialLane>[0]);
  lane.onMessage(() => console.log("it was told something"));
  setInterval(() => lane.send(new Uint8Array(20)), 10);
}

async function visit(): Promise<void> {
  const udp = udpLanes(await listenPacket("udp", "127.0.0.1:0"));
  const hub = new Hub({ namespaces: roomNamespaces });
  const sessionLanes = new Set<SessionLanes>();
  type Open = (this: SessionLanes, session: string) => ReturnType<SessionLanes["open"]>;
  const open: Open = Reflect.get(SessionLanes.prototype, "open");
  SessionLanes.prototype.open = function (session) {
    sessionLanes.add(this);
    return open.call(this, session);
  };
  const mode = { ...squareRoom, emptyMs: 0 };
  const told = new Told();
  const rooms = new Rooms(hub, { square: mode }, { udp, clock: toldClock(told) });
  await rooms.open();
  const listener = await websocket.listen("127.0.0.1:0");
  const serving = hub.serve(listener);
  const visits = Array.from({ length: 12 }, async (_, i) => {
    const session = connect(`ws://${String(listener.addr)}`, { dial: websocket.dial });
    const play = await join(session, square, {
      mode: "square",
      watch: i % 3 === 2,
      ...(i % 4 === 1 && { create: { isPrivate: true } }),
      lane: toldUdp(told),
    });
    await told.until(() => play.figures().carrier === "udp");
    await play.leave();
    await session.close();
  });
  await Promise.all(visits);
  await told.until(() => rooms.size === 0);
  console.log(
    JSON.stringify({
      ...rooms.stats(),
      lanes: udp.stats.lanes,
      sessionLanes: Array.from(sessionLanes, ({ size }) => size),
    }),
  );
  await rooms.close();
  await hub.close();
  await serving;
  await udp.close();
  console.log("closed");
}

const [, program, role, more = ""] = process.argv;
if (program === fileURLToPath(import.meta.url)) {
  if (role === "server") await serve(more);
  else if (role === "lane") sendOn(more);
  else await visit();
}
