// Which way of spoiling a link is chosen, and what is then asked of the system: also for kernels that this
// machine has not.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { FAR, NamespaceLink, NEAR } from "./faults-links.ts";
import { netemArguments, type Run } from "./faults-netem.ts";

/** A system that does as it is told, with or without netem, and writes down what it was told. */
function fakeSystem(hasNetem: boolean): { run: Run; told: string[] } {
  const told: string[] = [];
  let drops = 0;
  const run: Run = (command, ...args) => {
    const line = [command, ...args]
      .join(" ")
      .replaceAll(NEAR, "NEAR")
      .replaceAll(FAR, "FAR")
      .replace(/198\.1[89]\.\d+\.\d+/, "NOWHERE")
      .replaceAll(String(process.pid), "PID");
    told.push(line);
    if (command !== "tc") return "";
    if (!hasNetem) throw new Error("Error: Specified qdisc kind is unknown.");
    if (!args.includes("show")) return "";
    drops += 7;
    // As iproute2 6.1 prints it, shortened.
    return JSON.stringify([
      { kind: "netem", handle: "8001:", root: true, options: { limit: 1000 }, packets: 500, drops },
      { kind: "pfifo", handle: "1:", drops: 0 },
    ]);
  };
  return { run, told };
}

test("where the kernel has netem, it spoils the link, and nothing is relayed", async () => {
  const { run, told } = fakeSystem(true);
  const link = new NamespaceLink(run);
  assert.equal(link.name, "two network namespaces with netem");
  assert.equal(await link.udp(`${FAR}:5000`), `${FAR}:5000`);
  assert.equal(await link.tcp(`${FAR}:5001`), `${FAR}:5001`);
  assert.deepEqual(told.splice(0), [
    "ip netns add zocalo-PID",
    "ip link add zocPID type veth peer name far netns zocalo-PID",
    "ip addr add NEAR/30 dev zocPID",
    "ip link set zocPID up",
    "ip route replace unreachable NOWHERE",
    "ip -n zocalo-PID addr add FAR/30 dev far",
    "ip -n zocalo-PID link set far up",
    "ip -n zocalo-PID link set lo up",
    "tc qdisc add dev zocPID root netem delay 3ms loss 0%",
  ]);
  link.setLoss(0.29);
  assert.equal(link.lost(), 7);
  link.setLoss(0);
  link.cut();
  link.close();
  assert.deepEqual(told, [
    "tc qdisc change dev zocPID root netem delay 3ms loss 29%",
    "tc -s -j qdisc show dev zocPID",
    "tc qdisc change dev zocPID root netem delay 3ms loss 0%",
    "ip -n zocalo-PID route add blackhole NEAR/32",
    "ip route del unreachable NOWHERE",
    "ip link del zocPID",
    "ip netns del zocalo-PID",
  ]);
});

test("where it has none, datagrams take a relay that loses them, and the kernel is not asked again", async () => {
  const { run, told } = fakeSystem(false);
  const link = new NamespaceLink(run);
  assert.match(link.name, /no netem, so a relay/);
  const far = createSocket("udp4");
  const near = createSocket("udp4");
  const bound = once(far, "listening");
  far.bind(0, "127.0.0.1");
  await bound;
  const relayed = await link.udp(`127.0.0.1:${far.address().port}`);
  assert.notEqual(relayed, `127.0.0.1:${far.address().port}`);
  assert.equal(await link.tcp(`${FAR}:5001`), `${FAR}:5001`);
  const port = Number(relayed.split(":")[1]);
  told.length = 0;

  const arrived = once(far, "message");
  near.send("arrives", port, "127.0.0.1");
  assert.equal(String((await arrived)[0]), "arrives");
  link.setLoss(1);
  near.send("is lost", port, "127.0.0.1");
  while (link.lost() === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told, []);
  link.close();
  for (const socket of [near, far]) socket.close();
});

test("where namespaces are not ours to make, what was begun is taken back", () => {
  const told: string[] = [];
  const run: Run = (command, ...args) => {
    told.push([command, ...args].slice(0, 3).join(" "));
    throw new Error("Operation not permitted");
  };
  assert.throws(() => new NamespaceLink(run), /Operation not permitted/);
  assert.deepEqual(told, ["ip netns add", "ip route del", "ip link del", "ip netns del"]);
});

test("tc understands what it is asked", (t) => {
  for (const verb of ["add", "change"] as const) {
    // tc reads its arguments first, and then looks for the device: so it may be asked on any machine.
    const { error, stderr } = spawnSync("tc", netemArguments(verb, "zoc-nowhere", 0.29), {
      encoding: "utf8",
    });
    if (error !== undefined) return t.skip("there is no tc (iproute2) on this machine");
    assert.match(stderr, /^Cannot find device "zoc-nowhere"/);
  }
  const broken = netemArguments("add", "zoc-nowhere", Number.NaN);
  assert.doesNotMatch(spawnSync("tc", broken, { encoding: "utf8" }).stderr, /^Cannot find device/);
});
