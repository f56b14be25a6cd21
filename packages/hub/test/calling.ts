import type { Data, ServerMessage } from "@zocalo/protocol";
import type { HubStats } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { type Square, square } from "./square.ts";

type Answer = Extract<ServerMessage, { type: "result" | "failed" | "error" }>;

/** What a call of a fake connection is answered, when it is. */
export async function answerOf(conn: FakeConn, id: number): Promise<Answer> {
  const isAnswer = (message: ServerMessage): message is Answer =>
    "id" in message && message.id === id && ["result", "failed", "error"].includes(message.type);
  return conn.until(isAnswer);
}

/** The codes of all errors that came, by the id of the command. */
export function errorsOf(conn: FakeConn): [number | undefined, string][] {
  return conn.all("error").map(({ id, code }) => [id, code]);
}

/** A handler that the test settles, call by call. */
export interface Held {
  /** Of each call, in order. */
  readonly calls: {
    readonly input: Data | undefined;
    readonly signal: AbortSignal;
    resolve(output?: unknown): void;
    reject(error: unknown): void;
  }[];
}

/** A hub with the method `held`, which the test settles, and `echo`. */
export function callSquare(options: Parameters<typeof square>[0] = {}): Square & Held {
  const it = square(options);
  const calls: Held["calls"] = [];
  it.hub.handle("echo", (_, input) => input);
  it.hub.handle(
    "held",
    ({ signal }, input) =>
      new Promise((resolve, reject) => {
        calls.push({ input, signal, resolve, reject });
      }),
  );
  return { ...it, calls };
}

/** How many calls hold a place, once everything has happened that waits for promises only. */
export async function underWay({ hub }: Pick<Square, "hub">): Promise<HubStats["callsUnderWay"]> {
  await settle();
  return hub.stats().callsUnderWay;
}
