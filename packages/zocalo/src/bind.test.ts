import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bound, bindEverywhere } from "./bind.ts";
import { EXIT, UserError } from "./exit-code.ts";

const door = { label: "TCP", setting: "tcpPort" } as const;

function failure(code: string): Error {
  return Object.assign(new Error(`listen ${code}`), { code });
}

/** Plays the system: remembers what is open, hands out ports from 40,000 on. */
class Machine {
  readonly open = new Set<string>();
  readonly taken = new Set<string>();
  readonly calls: string[] = [];
  failures: Record<string, string> = {};
  #next = 40_000;

  bind = async (address: string, asked: number): Promise<Bound> => {
    const port = asked === 0 ? this.#next++ : asked;
    const place = `${address} ${port}`;
    this.calls.push(place);
    const code = this.failures[address] ?? (this.taken.has(place) ? "EADDRINUSE" : undefined);
    if (code !== undefined) throw failure(code);
    this.open.add(place);
    return { port, close: async () => void this.open.delete(place) };
  };
}

test("localhost is both loopback addresses, with one port", async () => {
  const machine = new Machine();
  await bindEverywhere(door, "localhost", 7000, machine.bind);
  assert.deepEqual([...machine.open], ["127.0.0.1 7000", "::1 7000"]);
  await bindEverywhere(door, "localhost", 0, machine.bind);
  assert.deepEqual([...machine.open].slice(2), ["127.0.0.1 40000", "::1 40000"]);
});

test("any other host is itself", async () => {
  const machine = new Machine();
  await bindEverywhere(door, "::", 7000, machine.bind);
  assert.deepEqual([...machine.open], [":: 7000"]);
});

test("a free port that one loopback address does not have is given back, and the next one is tried", async () => {
  const machine = new Machine();
  machine.taken.add("::1 40000").add("::1 40001");
  await bindEverywhere(door, "localhost", 0, machine.bind);
  assert.deepEqual([...machine.open], ["127.0.0.1 40002", "::1 40002"]);
});

test("a machine without one of the loopback addresses has the other", async () => {
  for (const code of ["EADDRNOTAVAIL", "EAFNOSUPPORT", "address_not_available"]) {
    const machine = new Machine();
    machine.failures = { "::1": code };
    await bindEverywhere(door, "localhost", 7000, machine.bind);
    assert.deepEqual([...machine.open], ["127.0.0.1 7000"]);
    machine.open.clear();
    machine.failures = { "127.0.0.1": code };
    await bindEverywhere(door, "localhost", 7000, machine.bind);
    assert.deepEqual([...machine.open], ["::1 7000"]);
  }
});

test("a failure is one sentence that names door, place and remedy, and leaves nothing open", async () => {
  const inUse =
    "Cannot open the TCP door: port 7000 at localhost is taken already; choose another with --tcp-port PORT (0: any free one), or leave this door closed with --tcp-port off.";
  const cases: [string, string, string, string | RegExp][] = [
    ["localhost", "127.0.0.1", "EADDRINUSE", inUse],
    ["localhost", "::1", "address_in_use", inUse],
    ["localhost", "::1", "EACCES", /this user may not listen on port 7000 at localhost; .*--tcp-port/],
    [
      "10.9.8.7",
      "10.9.8.7",
      "EADDRNOTAVAIL",
      /10\.9\.8\.7 is not an address of this machine; .*--host HOST\.$/,
    ],
    ["nowhere", "nowhere", "ENOTFOUND", /no address is known for nowhere; /],
    ["::1", "::1", "EWHATEVER", /^Cannot open the TCP door: listen EWHATEVER\.$/],
  ];
  for (const [host, address, code, sentence] of cases) {
    const machine = new Machine();
    machine.failures = { [address]: code };
    await assert.rejects(bindEverywhere(door, host, 7000, machine.bind), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.exitCode, EXIT.failed);
      if (typeof sentence === "string") assert.equal(error.message, sentence);
      else assert.match(error.message, sentence);
      return true;
    });
    assert.deepEqual([...machine.open], []);
  }
});

test("both loopback addresses missing is a failure", async () => {
  const machine = new Machine();
  machine.failures = { "127.0.0.1": "EADDRNOTAVAIL", "::1": "EADDRNOTAVAIL" };
  await assert.rejects(bindEverywhere(door, "localhost", 7000, machine.bind), UserError);
});

test("the search for a free port ends", async () => {
  const machine = new Machine();
  machine.failures = { "::1": "EADDRINUSE" };
  await assert.rejects(bindEverywhere(door, "localhost", 0, machine.bind), UserError);
  assert.equal(machine.calls.length, 40);
  assert.deepEqual([...machine.open], []);
});
