// What a bad network does to connections: between two network namespaces where this process may make them,
// and past a relay in any case.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Random } from "@zocalo/integrity";
import { type Conn, dial, NetError } from "@zocalo/net";
import { type Link, NamespaceLink, RelayLink } from "./faults-links.ts";
import { HELD, type PeerAddresses, type PeerCounts } from "./faults-peer.ts";

const links: Link[] = [new RelayLink()];
let without = "";
try {
  links.push(new NamespaceLink());
} catch (error) {
  without = error instanceof Error ? error.message : String(error);
}
process.on("exit", () => {
  for (const link of links) link.close();
});

test("which links are tried", (t) => {
  for (const { name } of links) t.diagnostic(name);
  if (without !== "") t.diagnostic(`no network namespaces, so keep-alive is not tried: ${without}`);
  assert.ok(links.length > 0);
});

for (const link of links) {
  describe(link.name, { timeout: 800_000 }, () => {
    let peer: ChildProcess;
    let addresses: PeerAddresses;

    before(async () => {
      peer = link.startPeer();
      addresses = await told<PeerAddresses>(peer);
    });
    after(async () => {
      const gone = once(peer, "exit");
      peer.kill("SIGKILL");
      await gone;
      link.close();
    });

    const counts = async (): Promise<PeerCounts> => {
      const answer = told<PeerCounts>(peer);
      peer.send("counts");
      return answer;
    };
    /** Asks the peer until it says what is waited for. */
    const until = async (isSo: (counted: PeerCounts) => boolean): Promise<PeerCounts> => {
      for (;;) {
        const counted = await counts();
        if (isSo(counted)) return counted;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };

    test("TCP: all bytes come back, in order", async () => {
      const conn = await dial("tcp", await link.tcp(addresses.tcp), { deadline: Date.now() + 120_000 });
      const random = new Random(11);
      const bytes = random.bytes(2 ** 20);
      const writing = conn.write(bytes);
      const back = createHash("sha256").update((await conn.readFull(bytes.length)) ?? "");
      await writing;
      assert.equal(back.digest("hex"), createHash("sha256").update(bytes).digest("hex"));
      await conn.close();
    });

    test("UDP: what is sent has either arrived or is counted as lost", async () => {
      const conn = await dial("udp", await link.udp(addresses.udp));
      const before = link.lost();
      link.setLoss(0.3);
      await sendPaced(conn, 500);
      const { received } = await until((counted) => counted.received + link.lost() - before === 500);
      link.setLoss(0);
      assert.ok(received > 0 && received < 500, `${received} of 500 arrived`);
      await conn.close();
    });

    test("UDP: what a full queue drops is counted, apart from what the network loses", async () => {
      const conn = await dial("udp", await link.udp(addresses.lazy));
      const before = link.lost();
      link.setLoss(0.2);
      await sendPaced(conn, 200);
      const isAll = ({ lazyTaken, lazyDropped }: PeerCounts): boolean =>
        lazyTaken + HELD + lazyDropped + link.lost() - before === 200;
      const { lazyDropped } = await until(isAll);
      link.setLoss(0);
      assert.ok(lazyDropped > 0 && link.lost() > before);
      await conn.close();
    });

    test("UDP: asking again until there is an answer gets past loss", async () => {
      const conn = await dial("udp", await link.udp(addresses.udp));
      link.setLoss(0.4);
      let asked = 0;
      for (let question = 0; question < 10; question++) {
        for (let isAnswered = false; !isAnswered; asked++) {
          await conn.send(Buffer.from(`question ${question}`));
          conn.setReadDeadline(Date.now() + 30);
          isAnswered = await heard(conn, `question ${question}`);
        }
      }
      link.setLoss(0);
      assert.ok(asked >= 10);
      await conn.close();
    });

    test("a dead peer is found: by a read deadline, and by keep-alive where nobody sets one", async (t) => {
      const address = await link.tcp(addresses.tcp);
      const options = { keepAliveIdleMs: 1000 };
      const [reading, idle, hasty] = await Promise.all([
        dial("tcp", address, options),
        dial("tcp", address, options),
        dial("tcp", address, options),
      ]);
      const conns = [reading, idle, hasty];
      for (const conn of conns) {
        await conn.write(Buffer.from("there?"));
        assert.equal(String(await conn.readFull(6)), "there?");
      }
      const { ends } = await counts();
      link.cut();
      hasty.setReadDeadline(Date.now() + 50);
      await assert.rejects(hasty.read(), { code: "timeout", reason: "i/o timeout" });
      if (link.isInKernel) {
        t.diagnostic("waiting for ten unanswered probes");
        await assert.rejects(reading.read(), { code: "timeout", reason: "connection timed out", op: "read" });
        // Nobody has read from this one meanwhile.
        await assert.rejects(idle.read(), { code: "timeout" });
        const isFound = ({ ends: now }: PeerCounts): boolean =>
          now.slice(ends.length).filter((code) => code === "timeout").length === conns.length;
        await until(isFound);
      } else {
        t.diagnostic("the relay's system answers probes for the peer: keep-alive cannot be tried past it");
      }
      for (const conn of conns) conn.abort();
    });

    test("a peer that died while reading was paused is told to whoever reads or writes next, and to nobody before", async (t) => {
      if (!link.isInKernel) return t.diagnostic("the relay's system answers probes for the peer");
      link.mend();
      const address = await link.tcp(addresses.tcp);
      const pausedPair = async (): Promise<Paused> =>
        paused(await dial("tcp", address, { keepAliveIdleMs: 1000 }));
      const conns = await Promise.all([pausedPair(), pausedPair()]);
      const [reader, writer] = conns;
      link.cut();
      for (const { conn } of conns) await forgottenByKernel(conn);
      // Node watches a socket for errors only as long as it reads or writes.
      assert.deepEqual([reader.ends, writer.ends], [[], []]);
      reader.goOn();
      const told = { code: "timeout", reason: "connection timed out" };
      await assert.rejects(writer.conn.write(Buffer.from("there?")), { ...told, op: "write" });
      for (const { conn, closed, ends, goOn } of conns) {
        goOn();
        await closed;
        const [error] = ends;
        assert.ok(error instanceof NetError, String(error));
        assert.deepEqual([error.code, error.reason], [told.code, told.reason]);
        conn.abort();
      }
    });

    test("a host to which there is no way is unreachable at once", async (t) => {
      const { unreachable } = link;
      if (unreachable === undefined)
        return t.diagnostic("only a kernel's routes can say that there is no way");
      const error = {
        code: "host_unreachable",
        op: "dial",
        message: `dial tcp ${unreachable}: no route to host`,
      };
      await assert.rejects(dial("tcp", unreachable), error);
    });

    test("a dial that nobody answers ends at its deadline, or when it is cancelled", async () => {
      const silent = link.isInKernel ? undefined : await silentListener();
      const address = silent?.address ?? addresses.tcp;
      const error: unknown = await dial("tcp", address, { deadline: Date.now() + 100 }).then(
        () => assert.fail("somebody answered"),
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof NetError);
      assert.deepEqual(
        [error.code, error.op, error.message],
        ["timeout", "dial", `dial tcp ${address}: i/o timeout`],
      );
      const stop = new AbortController();
      const dialing = dial("tcp", address, { signal: stop.signal });
      setImmediate(() => stop.abort());
      await assert.rejects(dialing, { code: "canceled", op: "dial" });
      silent?.close();
    });
  });
}

/** A connection whose handler has got something and does not go on. */
interface Paused {
  readonly conn: Conn;
  readonly ends: (Error | undefined)[];
  readonly closed: Promise<void>;
  readonly goOn: () => void;
}

async function paused(conn: Conn): Promise<Paused> {
  const ends: (Error | undefined)[] = [];
  let goOn = (): void => undefined;
  const going = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let onClosed = (): void => undefined;
  const closed = new Promise<void>((resolve) => {
    onClosed = resolve;
  });
  await new Promise<void>((resolve) => {
    conn.serve({
      data() {
        resolve();
        return going;
      },
      close(error) {
        ends.push(error);
        onClosed();
      },
    });
    void conn.write(Buffer.from("there?"));
  });
  return { conn, ends, closed, goOn };
}

/** Waits until the kernel has no connection from this end's address any more. */
async function forgottenByKernel({ localAddr }: Conn): Promise<void> {
  const port = "port" in localAddr ? localAddr.port.toString(16).toUpperCase().padStart(4, "0") : "";
  const isListed = new RegExp(`^ *\\d+: [0-9A-F]{8}:${port} `, "m");
  while (isListed.test(readFileSync("/proc/net/tcp", "utf8"))) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function told<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, "message")) as [T];
  return message;
}

/**
 * So many are sent before the event loop gets its turn: more would overflow the queues of the system, which
 * nobody counts here.
 */
const PACE = 10;

async function sendPaced(conn: { send(bytes: Uint8Array): Promise<void> }, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await conn.send(Buffer.from(`datagram ${i}`));
    if (i % PACE === PACE - 1) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** True if the answer comes before the read deadline; late answers to earlier questions do not count. */
async function heard(conn: { receive(): Promise<Uint8Array | null> }, answer: string): Promise<boolean> {
  try {
    for (;;) if (String(await conn.receive()) === answer) return true;
  } catch (error) {
    if (error instanceof NetError && error.timeout) return false;
    throw error;
  }
}

/**
 * An address that answers nobody: its program has stopped, and as many connections wait for it as the system
 * lets wait.
 */
async function silentListener(): Promise<{ address: string; close(): void }> {
  const code = `const s = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => process.send(s.address().port))`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const address = `127.0.0.1:${await told<number>(child)}`;
  child.kill("SIGSTOP");
  const waiting: Conn[] = [];
  // A connection is made by the kernel at once or never; once a busy machine may take the one for the other,
  // but not three times.
  for (let timeouts = 0; timeouts < 3; ) {
    try {
      waiting.push(await dial("tcp", address, { deadline: Date.now() + 300 }));
      timeouts = 0;
    } catch (error) {
      if (!(error instanceof NetError) || !error.timeout) throw error;
      timeouts++;
    }
  }
  return {
    address,
    close() {
      child.kill("SIGKILL");
      for (const conn of waiting) conn.abort();
    },
  };
}
