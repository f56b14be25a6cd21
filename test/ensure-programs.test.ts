import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  aptGet,
  missingPrograms,
  missingSentence,
  type Program,
  PROGRAMS,
} from "../scripts/ensure-programs.ts";

const node: Program = {
  command: process.execPath,
  debianPackage: "nodejs",
  purpose: "it runs everything",
  probe: ["--version"],
  isRight: (output) => output.startsWith("v"),
};

test("a program that answers its probe is there", () => {
  assert.deepEqual(missingPrograms([node]), []);
});

test("a program that does not exist, or is another one of that name, is missing", () => {
  const absent: Program = { ...node, command: "zocalo-no-such-program" };
  const impostor: Program = { ...node, isRight: (output) => output.includes("OpenBSD") };
  assert.deepEqual(missingPrograms([absent, node, impostor]), [absent, impostor]);
});

test("a program of another platform is not missing", () => {
  const absent: Program = { ...node, command: "zocalo-no-such-program" };
  const elsewhere = process.platform === "linux" ? "darwin" : "linux";
  assert.deepEqual(missingPrograms([{ ...absent, platforms: [elsewhere] }]), []);
  const here: Program = { ...absent, platforms: [process.platform] };
  assert.deepEqual(missingPrograms([here]), [here]);
});

test("slow links need unshare, ip and tc, on Linux", () => {
  const needed = PROGRAMS.filter(({ command }) => ["unshare", "ip", "tc"].includes(command));
  assert.ok(needed.every(({ platforms }) => platforms?.join() === "linux"));
  assert.deepEqual(
    needed.map(({ command, debianPackage }) => `${command} of ${debianPackage}`),
    ["unshare of util-linux", "ip of iproute2", "tc of iproute2"],
  );
  // What they say of themselves, and what busybox says.
  const says: Record<string, string> = {
    unshare: "unshare from util-linux 2.38.1",
    ip: "ip utility, iproute2-6.1.0, libbpf 1.1.2",
    tc: "tc utility, iproute2-6.1.0, libbpf 1.1.2",
  };
  for (const { command, isRight } of needed) {
    assert.equal(isRight(says[command] ?? ""), true, command);
    assert.equal(isRight("BusyBox v1.35.0 multi-call binary."), false, command);
  }
});

test("a package that several programs come in is named once", () => {
  const sentence = missingSentence(PROGRAMS.filter(({ debianPackage }) => debianPackage === "iproute2"));
  assert.match(sentence, /^The tests need ip \(.+\), tc \(.+\): .*apt-get install iproute2`/);
});

test("one sentence says what to install and why", () => {
  const browser: Program = {
    ...node,
    command: "chromium",
    debianPackage: "chromium",
    purpose: "pages are tested",
  };
  assert.equal(
    missingSentence([browser]),
    "The tests need chromium (pages are tested): install it, on Debian with `sudo apt-get install chromium`, and run them again.",
  );
});

/** Locks a file as apt does, says so, and lets go when its input ends. */
const HOLD_LOCK = `
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
`;

const answers = (command: string): boolean => spawnSync(command, ["--version"]).status === 0;
const skip = !(answers("apt-get") && answers("python3")) && "there is no apt-get or no python3";

test("apt's lock is waited for, with one sentence; whoever never lets go of it is not waited for for ever", {
  skip,
}, async (t) => {
  // An apt of its own, with nothing to fetch from: it locks its lists as the machine's does.
  const directory = mkdtempSync(join(tmpdir(), "zocalo-apt-"));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const part of ["lists/partial", "archives/partial"])
    mkdirSync(join(directory, part), { recursive: true });
  const settings = [
    `Dir::State=${directory}`,
    `Dir::State::Lists=${directory}/lists`,
    `Dir::Cache=${directory}`,
    "Dir::Etc::SourceList=/dev/null",
    "Dir::Etc::SourceParts=/dev/null",
  ];
  const update = [...settings.flatMap((setting) => ["-o", setting]), "update"];
  const holder = spawn("python3", ["-c", HOLD_LOCK, join(directory, "lists/lock")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => holder.kill());
  const gone = once(holder, "exit");
  await once(holder.stdout, "data");

  const said: string[] = [];
  assert.match(
    (await aptGet(update, { lockTimeoutMs: 0, say: (it) => said.push(it) })) ?? "",
    /Could not get lock/,
  );
  assert.equal(said.length, 0);

  let told: (() => void) | undefined;
  const waits = new Promise<void>((resolve) => {
    told = resolve;
  });
  const updated = aptGet(update, {
    say(sentence) {
      said.push(sentence);
      told?.();
    },
  });
  await waits;
  holder.stdin.end();
  await gone;
  assert.equal(await updated, undefined);
  assert.equal(said.length, 1);
  assert.match(String(said), /^Waiting for apt: .+ holds its lock \(for 15 minutes at most\)\.$/);
});

test("what apt-get says is handed on when it fails for another reason", { skip }, async () => {
  assert.match((await aptGet(["no-such-command"])) ?? "", /Invalid operation/);
});
