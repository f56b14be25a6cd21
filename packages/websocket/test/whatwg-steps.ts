// What tests of the class against the standard share: a step of an algorithm, and what a socket was told.
import { test } from "node:test";
import { type CloseEvent, type MessageEvent, WebSocket } from "../src/index.ts";
import { type RawEnd, rawWebSocketServer } from "./raw-websocket-server.ts";

interface Step {
  /** The algorithm of the standard, and its part. */
  readonly at: string;
  /** What has to happen. */
  readonly must: string;
  /** Lines that are added to the server's answer. */
  readonly answer?: string;
  readonly protocols?: readonly string[];
  /** What the socket is given, if it is not just the server's URL. */
  readonly url?: (server: string) => string;
  readonly run: (socket: WebSocket, accepted: Promise<RawEnd>) => Promise<void>;
}

export function next(socket: WebSocket, type: "message"): Promise<MessageEvent>;
export function next(socket: WebSocket, type: "close"): Promise<CloseEvent>;
export function next(socket: WebSocket, type: "open" | "error"): Promise<Event>;
export function next(socket: WebSocket, type: string): Promise<Event> {
  return new Promise((resolve, reject) => {
    socket.addEventListener(type, resolve, { once: true });
    if (type === "close" || type === "error") return;
    socket.addEventListener("close", () => reject(new Error(`it closed before ${type}`)), { once: true });
  });
}

/** The events of a socket in their order, with its state at each. */
export function record(socket: WebSocket): string[] {
  const seen: string[] = [];
  for (const type of ["open", "message", "error", "close"]) {
    socket.addEventListener(type, () => seen.push(`${type} ${socket.readyState}`));
  }
  return seen;
}

/** One test for each step. */
export function testSteps(steps: readonly Step[]): void {
  for (const { at, must, answer, protocols = [], url = (server: string) => server, run } of steps) {
    test(`${at}: ${must}`, async () => {
      await using server = await rawWebSocketServer(answer);
      await run(new WebSocket(url(server.url), protocols), server.accepted);
    });
  }
}
