// `dial("tcp" | "tls")` through proxies of Debian.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as nodeConnect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { TestCertificates } from "@zocalo/integrity";
import { dial } from "@zocalo/net";
import { echoes, echoesOnce, echoing, fails, freePort, PASSWORD, USER } from "./proxies.ts";

const certificates = new TestCertificates();
const directory = mkdtempSync(join(tmpdir(), "zocalo-proxies-"));
after(() => {
  certificates.remove();
  rmSync(directory, { recursive: true });
});

/** The servers' own files know no escapes. */
const PLAIN_PASSWORD = "sesamo1";

/** Waits until somebody listens, by trying: there is nothing else by which a foreign proxy tells. */
async function listening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    assert.equal(child.exitCode, null, "the proxy has ended");
    const socket = nodeConnect(port, "127.0.0.1");
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (isThere) return;
  }
}

function isInstalled(program: string): boolean {
  return spawnSync("which", [program], { env: { PATH: `${process.env["PATH"]}:/usr/sbin` } }).status === 0;
}

interface ForeignProxy {
  readonly program: string;
  readonly scheme: "socks5" | "http";
  start(port: number, withLogin: boolean): string[];
}

const foreign: readonly ForeignProxy[] = [
  {
    program: "microsocks",
    scheme: "socks5",
    start: (port, withLogin) => [
      ...["-i", "127.0.0.1", "-p", String(port)],
      ...(withLogin ? ["-u", USER, "-P", PLAIN_PASSWORD] : []),
    ],
  },
  {
    program: "tinyproxy",
    scheme: "http",
    start(port, withLogin) {
      const file = join(directory, `tinyproxy-${port}.conf`);
      const login = withLogin ? `BasicAuth ${USER} ${PLAIN_PASSWORD}\n` : "";
      writeFileSync(file, `Port ${port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\n${login}`);
      return ["-d", "-c", file];
    },
  },
  {
    // Its users are the system's, so it is tried without a login.
    program: "danted",
    scheme: "socks5",
    start(port) {
      const file = join(directory, `danted-${port}.conf`);
      const rule = "{ from: 0/0 to: 0/0 }";
      const { username } = userInfo();
      writeFileSync(
        file,
        `internal: 127.0.0.1 port = ${port}\nexternal: lo\nsocksmethod: none\nclientmethod: none\nuser.privileged: ${username}\n` +
          `user.unprivileged: ${username}\nclient pass ${rule}\nsocks pass ${rule}\n`,
      );
      return ["-f", file];
    },
  },
];

async function started(proxy: ForeignProxy, withLogin: boolean) {
  const port = await freePort();
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` };
  const child = spawn(proxy.program, proxy.start(port, withLogin), { stdio: "ignore", env });
  await listening(port, child);
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

for (const proxy of foreign) {
  const skip = !isInstalled(proxy.program) && `${proxy.program} is not installed`;
  for (const withLogin of proxy.program === "danted" ? [false] : [false, true]) {
    const how = withLogin ? "with user and password" : "without a login";
    test(`${proxy.program}, ${how}: tcp and tls, by name and by address`, { skip }, async () => {
      await using running = await started(proxy, withLogin);
      const url = `${proxy.scheme}://${withLogin ? `${USER}:${PLAIN_PASSWORD}@` : ""}127.0.0.1:${running.port}`;
      await using plain = await echoing(certificates);
      await using secure = await echoing(certificates, "tls");
      for (const host of ["127.0.0.1", "localhost"]) {
        const conn = await dial("tcp", `${host}:${plain.port}`, { proxy: url });
        assert.equal(String(conn.remoteAddr), `${host}:${plain.port}`);
        await echoes(conn);
      }
      const conn = await dial("tls", `localhost:${secure.port}`, { proxy: url, ca: certificates.ca.cert });
      assert.equal(conn.tls?.serverName, "localhost");
      await echoesOnce(conn); // tinyproxy closes both ways at the end of one, before TLS has ended.
      await conn.close();
    });
  }

  test(`${proxy.program}: nobody listens where it shall connect`, { skip }, async () => {
    await using running = await started(proxy, false);
    const nobody = await freePort();
    const [code, words] =
      proxy.scheme === "socks5" ? ["refused", "connection refused"] : ["proxy_refused", String.raw`50\d .*`];
    const message = new RegExp(
      `^dial tcp 127\\.0\\.0\\.1:${nobody}: proxy 127\\.0\\.0\\.1:\\d+ answered ${words} to CONNECT 127\\.0\\.0\\.1:${nobody}$`,
    );
    await fails(
      dial("tcp", `127.0.0.1:${nobody}`, { proxy: `${proxy.scheme}://127.0.0.1:${running.port}` }),
      code,
      message,
    );
  });

  if (proxy.program === "danted") continue;
  test(`${proxy.program}: a wrong password is refused, and told to nobody`, { skip }, async () => {
    await using running = await started(proxy, true);
    const url = `${proxy.scheme}://${USER}:wr%40ng-${encodeURIComponent(PASSWORD)}@127.0.0.1:${running.port}`;
    const words = proxy.scheme === "socks5" ? /answered wrong user or password to/ : /answered 40[17] .* to/;
    await fails(dial("tcp", "127.0.0.1:9", { proxy: url }), "proxy_refused", words);
    const anonymous = `${proxy.scheme}://127.0.0.1:${running.port}`;
    await fails(
      dial("tcp", "127.0.0.1:9", { proxy: anonymous }),
      "proxy_refused",
      /answered (log in first|40[17])/,
    );
  });
}
