// The cases that do not take long, against a server and a client of this package in this process. The commands are tried in packages/zocalo; all
// cases by `npm run conformance`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, listen, type WebSocketConn } from "../../src/index.ts";
import type { Case } from "./case.ts";
import { allCases, casesFor, sectionOf, SECTIONS } from "./cases.ts";
import { ClientSubject, ServerSubject, type Subject } from "./subjects.ts";

const options = { maxMessageBytes: 67_108_864, maxFragments: 4_194_304, maxBufferedBytes: 68_157_440 };

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
    assert.ok("port" in listener.addr);
    const subject = new ServerSubject(listener.addr.port, isCompressing);
    try {
      assert.deepEqual(
        await faultsOf(
          casesFor(subject).filter(({ isLong }) => !isLong),
          subject,
        ),
        [],
      );
    } finally {
      await listener.abort();
    }
  });

  for (const isJoined of [true, false]) {
    test(`a client passes every short case, ${mode} compression, its first frames ${isJoined ? "in one write with" : "behind"} the answer`, async () => {
      await using subject = await ClientSubject.open(
        isCompressing,
        async (url, { mustRefuse }) => {
          const dialing = dial(url, { ...options, compression });
          if (mustRefuse) await assert.rejects(dialing, { code: "handshake_failed" });
          else await echo(await dialing);
        },
        isJoined,
      );
      assert.deepEqual(
        await faultsOf(
          casesFor(subject).filter(({ isLong }) => !isLong),
          subject,
        ),
        [],
      );
    });
  }
}
