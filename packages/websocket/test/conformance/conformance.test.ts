// The cases that do not take long, against a server and a client of this package in this process. The
// commands are tried in packages/zocalo; all cases by `npm run conformance`.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { dial, listen, type WebSocketConn } from "../../src/index.ts";
import type { Case } from "./case.ts";
import { allCases, casesFor, sectionOf, SECTIONS } from "./cases.ts";
import { ClientSubject, ServerSubject, type Subject } from "./subjects.ts";

const options = { maxMessageBytes: 67_108_864, maxFragments: 4_194_304, sendLimitBytes: 68_157_440 };

/** As a program that answers at once does it, with backpressure. */
function echo(conn: WebSocketConn): Promise<void> {
  return new Promise((resolve) => {
    let goOn: (() => void) | undefined;
    conn.serve({
      message(message) {
        if (conn.trySend(message) !== "buffered") return undefined;
        return new Promise((wake) => {
          goOn = wake;
        });
      },
      drain: () => goOn?.(),
      close: () => {
        goOn?.();
        resolve();
      },
    });
  });
}

/** As the guide does it. */
async function echoInLoop(conn: WebSocketConn): Promise<void> {
  try {
    for await (const message of conn) await conn.send(message);
  } catch {
    // An end that was not clean; the suite has seen what came of it.
  }
}

function short(subject: Subject): Case[] {
  return casesFor(subject).filter(({ isLong }) => !isLong);
}

/** What fails of the cases, each in a line. */
async function faultsOf(cases: readonly Case[], subject: Subject): Promise<string[]> {
  const faults: string[] = [];
  for (const each of cases) {
    try {
      await subject.run(each);
    } catch (error) {
      faults.push(`${each.id} ${each.title}: ${String(error)}`);
    }
  }
  return faults;
}

/** A server of the ws package that sends everything back. */
async function wsEcho(skipUTF8Validation: boolean): Promise<{ subject: Subject } & Disposable> {
  const server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    perMessageDeflate: true,
    skipUTF8Validation,
  });
  server.on("connection", (socket) => {
    socket.on("error", () => undefined);
    socket.on("message", (data: Buffer, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { subject: new ServerSubject(port, true), [Symbol.dispose]: () => server.close() };
}

test("the suite finds nothing wrong with the ws package where that is strict, and what is wrong where it was made lax", async () => {
  using strict = await wsEcho(false);
  const cases = short(strict.subject);
  // It ends connections that ping too much at once, compresses in its own time, even past the end of TCP, and
  // inflates only whole messages.
  const others = ["2.12", "7.2.3", "12.8.6"];
  const sections = ["2", "3", "4", "5", "7", "12"];
  const known = cases.filter((each) => sections.includes(sectionOf(each)) && !others.includes(each.id));
  assert.deepEqual(await faultsOf(known, strict.subject), []);
  using lax = await wsEcho(true);
  const invalid = cases.filter(({ id }) => /^6\.(?:9|14|18|20|21)\.\d+-1$/.test(id));
  assert.equal((await faultsOf(invalid, lax.subject)).length, invalid.length);
});

test("no two cases have the same number, and each belongs to a section", () => {
  assert.equal(new Set(allCases.map(({ id }) => id)).size, allCases.length);
  for (const each of allCases) assert.ok(SECTIONS[sectionOf(each)] !== undefined, each.id);
});

for (const compression of [false, { contextTakeover: true }]) {
  const isCompressing = compression !== false;
  const mode = isCompressing ? "with" : "without";

  test(`a server passes every short case, ${mode} compression`, async () => {
    const listener = await listen("127.0.0.1:0", { ...options, compression });
    void (async () => {
      for await (const conn of listener) void echo(conn);
    })();
    const subject = new ServerSubject(listener.addr.port, isCompressing);
    try {
      assert.deepEqual(await faultsOf(short(subject), subject), []);
    } finally {
      await listener.abort();
    }
  });

  test(`a server that receives in a loop answers what came before the end, ${mode} compression`, async () => {
    const listener = await listen("127.0.0.1:0", { ...options, compression });
    void (async () => {
      for await (const conn of listener) void echoInLoop(conn);
    })();
    const subject = new ServerSubject(listener.addr.port, isCompressing);
    const cases = short(subject).filter((each) => ["3", "4", "5", "7"].includes(sectionOf(each)));
    try {
      assert.deepEqual(await faultsOf(cases, subject), []);
    } finally {
      await listener.abort();
    }
  });

  for (const isJoined of [true, false]) {
    test(`a client passes ${isJoined ? "every short case" : "short cases"}, ${mode} compression, its first frames ${isJoined ? "in one write with" : "behind"} the answer`, async () => {
      await using subject = await ClientSubject.open(
        isCompressing,
        async (url, { mustRefuse }) => {
          const dialing = dial(url, { ...options, compression });
          if (mustRefuse) await assert.rejects(dialing, { code: "handshake_failed" });
          else await echo(await dialing);
        },
        isJoined,
      );
      // What passes in one write with the answer nearly always passes behind it: some cases are enough.
      const cases = short(subject).filter((_, i) => isJoined || i % 5 === 0);
      assert.deepEqual(await faultsOf(cases, subject), []);
    });
  }
}
