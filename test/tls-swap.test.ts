// A directory of certificates that is swapped by its link, as Kubernetes does it, while clients come and go
// at `listen("tls", …)` and at a `wss:` listener.
import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "node:tls";
import { listen, type NetError, type TlsServerOptions } from "@zocalo/net";
import { listen as listenWebSocket } from "@zocalo/websocket";
import { TestCertificates } from "@zocalo/integrity";

const certificates = new TestCertificates();
after(() => certificates.remove());
const { ca } = certificates;
const first = certificates.issue("first", ["127.0.0.1"]);
const second = certificates.issue("second", ["127.0.0.1"]);
const expired = certificates.issue("expired", ["127.0.0.1"], -1);
const later = certificates.issueForLater("later", ["127.0.0.1"]);

/** What a version of the directory holds, by file name. */
type Files = Readonly<Record<string, string>>;
const CERT = "tls.crt";
const KEY = "tls.key";
const CA = "ca.crt";

function filesOf({ cert, key }: { cert: string; key: string }): Files {
  return { [CERT]: `${cert}${ca.cert}`, [KEY]: key, [CA]: ca.cert };
}

/**
 * A volume as the kubelet makes it: files are links by `..data`, which is a link that is moved from version
 * to version.
 */
class Volume {
  readonly path: string;
  #version = 0;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path);
    for (const file of [CERT, KEY, CA]) symlinkSync(join("..data", file), join(path, file));
  }

  swap(files: Files): void {
    const name = `..version_${++this.#version}`;
    mkdirSync(join(this.path, name));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(this.path, name, file), text);
    this.swapTo(name);
  }

  /** To a directory that may be missing. */
  swapTo(name: string): void {
    symlinkSync(name, join(this.path, "..data_tmp"));
    renameSync(join(this.path, "..data_tmp"), join(this.path, "..data"));
  }
}

const DOORS = {
  async 'listen("tls")'(options: TlsServerOptions) {
    const listener = await listen("tls", "127.0.0.1:0", options);
    void (async () => {
      for await (const conn of listener) conn.serve({ data: (bytes) => conn.write(bytes) });
    })();
    return { port: listener.addr.port, close: () => listener.abort() };
  },
  async "a wss listener"(tls: TlsServerOptions) {
    const listener = await listenWebSocket("127.0.0.1:0", { tls });
    return { port: listener.addr.port, close: () => listener.abort() };
  },
} as const;

/** Does a handshake; whose certificate it was. Rejects if it is not one that is valid. */
function visit(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", ca: ca.cert });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed in the handshake")));
    socket.on("secureConnect", () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.resume();
      socket.end();
    });
  });
}

const good = filesOf(second);
/** Versions that cannot be used, what is told of them, and of which file. */
const BAD: Readonly<Record<string, readonly [files: Files, file: string, reason: RegExp]>> = {
  "an empty certificate": [{ ...good, [CERT]: "" }, CERT, /holds no certificate: it is empty/],
  "a certificate cut in its middle": [{ ...good, [CERT]: second.cert.slice(0, 300) }, CERT, /is cut/],
  "a chain cut in the first line of its second": [
    { ...good, [CERT]: `${second.cert}${ca.cert.slice(0, 15)}` },
    CERT,
    /is cut: it ends with "-----BEGIN CERT"/,
  ],
  garbage: [{ ...good, [CERT]: "hola\n" }, CERT, /holds no certificate: it is not PEM/],
  "the key of another": [{ ...good, [KEY]: first.key }, KEY, /is not the private key of the certificate/],
  "a cut key": [{ ...good, [KEY]: second.key.slice(0, 80) }, KEY, /is cut/],
  "a certificate that has expired": [filesOf(expired), CERT, /has expired on/],
  "a certificate of the future": [filesOf(later), CERT, /is not valid before 2048-01-01/],
  "no certificate": [{ [KEY]: second.key, [CA]: ca.cert }, CERT, /no such file/],
  "no key": [{ [CERT]: second.cert, [CA]: ca.cert }, KEY, /no such file/],
  "an empty list of authorities": [{ ...good, [CA]: "" }, CA, /holds no certificate: it is empty/],
  "nothing at all": [{}, CERT, /no such file/],
};

for (const [what, open] of Object.entries(DOORS)) {
  test(`${what}: swaps under load lose no client; what cannot be used is told once, by file and reason, and not used`, async () => {
    const volume = new Volume(join(certificates.directory, what.replace(/\W/g, "")));
    volume.swap(filesOf(first));
    const told: NetError[] = [];
    let onTold: (() => void) | undefined;
    const door = await open({
      certFile: join(volume.path, CERT),
      keyFile: join(volume.path, KEY),
      caFile: join(volume.path, CA),
      reloadIntervalMs: 0,
      onReloadError(error) {
        told.push(error);
        onTold?.();
      },
    });
    let isOver = false;
    const seen = new Set<string>();
    let handshakes = 0;
    const load = async (): Promise<void> => {
      while (!isOver) {
        seen.add(await visit(door.port));
        handshakes++;
      }
    };
    const clients = Promise.all(Array.from({ length: 3 }, load));
    try {
      for (let version = 0; version < 40; version++) {
        volume.swap(filesOf(version % 2 === 0 ? second : first));
        await visit(door.port);
      }
      assert.deepEqual(told.map(String), []);
      assert.deepEqual([...seen].toSorted(), ["first", "second"]);
      assert.ok(handshakes >= 100, `${handshakes} handshakes`);
      for (const [kind, [files, file, reason]] of Object.entries(BAD)) {
        volume.swap(good);
        // Who came before this may be served by a look from before it.
        while ((await visit(door.port)) !== "second" || told.length > 0) told.length = 0;
        seen.clear();
        const telling = new Promise<void>((resolve) => (onTold = resolve));
        if (kind === "nothing at all") volume.swapTo("..missing");
        else volume.swap(files);
        assert.equal(await visit(door.port), "second", kind);
        await telling;
        for (let round = 0; round < 3; round++) assert.equal(await visit(door.port), "second", kind);
        assert.deepEqual([...seen], ["second"], kind);
        assert.equal(told.length, 1, `${kind}: ${told.join("; ")}`);
        const [error] = told;
        assert.match(String(error), reason, kind);
        assert.ok(error?.message.includes(join(volume.path, file)), `${kind}: ${String(error)}`);
      }
      volume.swap(filesOf(first));
      while ((await visit(door.port)) !== "first");
    } finally {
      isOver = true;
      await Promise.allSettled([clients]);
      await door.close();
    }
    await clients;
  });
}
