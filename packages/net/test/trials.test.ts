import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { connect, Server, type Socket } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { onLoopback, type SocketPair } from "../src/node/loopback.ts";
import { placesThatWork } from "../src/node/read-buffer.ts";
import { handsOverAtOnce } from "../src/node/write-past-queue.ts";

/**
 * What a trial finds on a real pair of sockets that `change` has made different; `undefined` also if it does
 * not come to an end.
 */
async function found<T>(
  attempt: (pair: SocketPair) => Promise<T>,
  change: (pair: SocketPair) => void = () => undefined,
): Promise<T | undefined> {
  let answer: T | undefined;
  await awaited(async (pair) => {
    change(pair);
    answer = await attempt(pair);
  });
  return answer;
}

/** `onLoopback`, and the process lives on meanwhile. */
async function awaited(trial: (pair: SocketPair) => Promise<void>): Promise<void> {
  const alive = setInterval(() => undefined, 1_000);
  await onLoopback(trial);
  clearInterval(alive);
}

const bothEnds =
  (change: (socket: Socket) => void) =>
  ({ accepted, connected }: SocketPair): void => {
    change(accepted);
    change(connected);
  };

function handleOf(socket: Socket): object {
  return Reflect.get(socket, "_handle") as object;
}

/** Has what a socket is given as the `onread` callback called by `call`. */
const calledBy =
  (call: (socket: Socket, callback: (...args: unknown[]) => unknown, args: unknown[]) => unknown) =>
  (socket: Socket): void => {
    const place = Object.getOwnPropertySymbols(socket).find((key) => key.description === "kBufferCb");
    assert.ok(place, "Node has another name for it");
    let given: unknown = null;
    Object.defineProperty(socket, place, {
      get: () => given,
      set(callback: (...args: unknown[]) => unknown) {
        given = (...args: unknown[]) => call(socket, callback, args);
      },
    });
  };

test("this Node reads into a buffer that it is given afterwards", async () => {
  assert.ok(await found(placesThatWork));
});

const otherReaders: Record<string, (socket: Socket) => void> = {
  "calls back without `this`, as Bun": calledBy((_socket, callback, args) => callback(...args)),
  "never reads, as Deno": (socket) =>
    Object.assign(handleOf(socket), { useUserBuffer: () => undefined, readStart: () => 0 }),
  "tells another length": calledBy((socket, callback, [, buffer]) => callback.call(socket, 2, buffer)),
  "tells another memory": calledBy((socket, callback, [count, buffer]) =>
    callback.call(socket, count, Buffer.from(buffer as Buffer)),
  ),
  "does not stop": calledBy((socket, callback, args) => {
    callback.apply(socket, args);
    return true;
  }),
};
for (const [name, change] of Object.entries(otherReaders)) {
  test(`one that ${name} is found out`, async () => {
    const changes: ((pair: SocketPair) => void)[] = [
      bothEnds(change),
      ({ accepted }) => change(accepted),
      ({ connected }) => change(connected),
    ];
    const answers = await Promise.all(changes.map((each) => found(placesThatWork, each)));
    assert.deepEqual(answers, [undefined, undefined, undefined]);
  });
}

type Write = (bytes: Uint8Array, encoding: BufferEncoding, written: (error?: Error | null) => void) => void;

const handsOver = ({ accepted, connected }: SocketPair): Promise<boolean> =>
  handsOverAtOnce(accepted, connected);

test("this Node hands a write to the system at once", async () => {
  assert.equal(await found(handsOver), true);
});

const otherWriters: Record<string, (own: Write) => Write> = {
  "does nothing": () => () => undefined,
  "tells without writing": () => (_bytes, _encoding, written) => written(),
  "tells an error": () => (_bytes, _encoding, written) => written(new Error("refused")),
  "writes twice": (own) => (bytes, encoding, written) => {
    own(bytes, encoding, () => undefined);
    own(bytes, encoding, written);
  },
  "tells twice": (own) => (bytes, encoding, written) => {
    own(bytes, encoding, (error) => {
      written(error);
      written(error);
    });
  },
  "tells later": (own) => (bytes, encoding, written) =>
    own(bytes, encoding, (error) => setImmediate(() => written(error))),
  "tells again later": (own) => (bytes, encoding, written) => {
    own(bytes, encoding, written);
    queueMicrotask(() => written());
  },
  throws: () => () => {
    throw new Error("not here");
  },
};
for (const [name, write] of Object.entries(otherWriters)) {
  test(`one that ${name} is found out`, async () => {
    const change = ({ accepted }: SocketPair): void => {
      // oxlint-disable-next-line no-underscore-dangle -- Node's name
      Object.assign(accepted, { _write: write(accepted._write.bind(accepted) as Write) });
    };
    assert.notEqual(await found(handsOver, change), true);
  });
}

test("a trial without an answer is over in a second or so, and leaves nothing open", async () => {
  const sockets: Socket[] = [];
  await awaited(({ accepted, connected }) => {
    sockets.push(accepted, connected);
    return new Promise<void>(() => undefined);
  });
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [true, true],
  );
});

test("a stranger who connects first is no part of a trial, and is cut", async (t) => {
  // oxlint-disable-next-line typescript/unbound-method -- it is called on a server below
  const { address } = Server.prototype;
  t.after(() => Object.assign(Server.prototype, { address }));
  const gone: Promise<unknown>[] = [];
  Server.prototype.address = function (this: Server) {
    const place = address.call(this);
    assert.ok(typeof place === "object" && place !== null);
    const stranger = connect(place.port, place.address).on("error", () => undefined);
    gone.push(once(stranger, "close"));
    return place;
  };
  assert.equal(await found(placesThatWork), undefined);
  assert.equal(gone.length, 1);
  await Promise.all(gone);
});

test("a server that cannot accept anybody any more ends no process", async () => {
  let isHeard: boolean | undefined;
  await awaited(async ({ accepted }) => {
    const server: unknown = Reflect.get(accepted, "server");
    assert.ok(server instanceof Server);
    // As Node does where accept(2) failed; thrown there, it would be nobody's.
    const failure = Object.assign(new Error("accept EMFILE"), { code: "EMFILE" });
    isHeard = await new Promise<boolean>((resolve, reject) => {
      setImmediate(() => {
        try {
          resolve(server.emit("error", failure));
        } catch (error) {
          reject(error);
        }
      });
    });
  });
  assert.equal(isHeard, true);
});

/** What a program prints that runs in a process of its own, in which nothing was tried. */
function printed(program: string, ...args: readonly string[]): string {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const flags = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx"), "--input-type=module"];
  const command = [...flags, "--eval", program, ...args];
  return execFileSync(process.execPath, command, { encoding: "utf8", cwd: import.meta.dirname, env }).trim();
}

test("nothing is tried at import, and all of it once, at the first listen or dial", () => {
  const program = `
    import { subscribe } from "node:diagnostics_channel";
    let connected = 0;
    subscribe("net.client.socket", () => connected++);
    const { dial, listen } = await import("@zocalo/net");
    const { trialsOver } = await import("@zocalo/net/transport");
    const counts = [connected, process.getActiveResourcesInfo().filter((name) => name.includes("TCP")).length];
    const listeners = [await listen("tcp", "127.0.0.1:0"), await listen("tcp", "127.0.0.1:0")];
    await trialsOver();
    counts.push(connected);
    for (const listener of listeners) {
      const conn = await dial("tcp", String(listener.addr));
      conn.abort();
      await listener.close();
    }
    console.log(JSON.stringify([...counts, connected]));
  `;
  assert.equal(printed(program), "[0,0,2,4]");
});

test("the first connections of a process do not wait for the trials", () => {
  const program = `
    import { dial, listen } from "@zocalo/net";
    const path = process.argv[1];
    const listener = await listen("unix", path);
    const conn = await dial("unix", path);
    const peer = await listener.accept();
    const [bytes] = await Promise.all([peer.readFull(100_000), conn.write(Buffer.alloc(100_000, 1))]);
    console.log(bytes.every((byte) => byte === 1), bytes.length);
    await Promise.all([conn.close(), peer.close()]);
    await listener.close();
  `;
  const name = `zocalo-first-${process.pid}`;
  const path = process.platform === "win32" ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
  assert.equal(printed(program, path), "true 100000");
});
