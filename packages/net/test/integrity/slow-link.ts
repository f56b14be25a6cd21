import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type CaseBase, IntegrityFailure, type Scenario } from "@zocalo/integrity";
import type { DatagramCase } from "./datagram.ts";
import type { FlowCase } from "./flow.ts";

/** Another case, run by a process of its own in a network of its own whose loopback is slow. */
interface SlowLinkCase extends CaseBase {
  readonly kilobitsPerSecond: number;
  readonly inner: DatagramCase | FlowCase;
}

/** True where a namespace can be made and its link be slowed: Linux, as root, with iproute2. */
export function canSlowLinks(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const tried = spawnSync("unshare", ["-n", "sh", "-c", slowed(1000)], { stdio: "ignore" });
  return tried.status === 0;
}

/** On a link that is slower than the process the system takes nothing at once: datagrams wait in the process, and writes in steps. */
export function slowLinkScenario(): Scenario<SlowLinkCase> {
  return {
    name: "slow link",
    draw(decks) {
      const { random } = decks;
      const kind = decks.deal("slow kind", ["packets", "dialed", "peers"] as const);
      const base = { scenario: "slow link", seed: random.fork(), kilobitsPerSecond: 40_000 };
      const sending = decks.deal("slow sending", [
        "trySend one buffer",
        "trySend",
        "send burst",
        "trySendBatch",
        "batch",
      ] as const);
      const seed = random.fork();
      const datagrams = {
        scenario: "datagram",
        seed,
        kind,
        sending,
        receiving: "serve",
        keeping: "keep",
      } as const;
      return { ...base, inner: { ...datagrams, size: 1400, count: 700 } };
    },
    run: (drawn, context) => {
      const script = fileURLToPath(new URL("drive.ts", import.meta.url));
      const node = [
        process.execPath,
        ...process.execArgv,
        script,
        "--repeat",
        "1",
        "--case",
        JSON.stringify(drawn.inner),
      ];
      const inside = `${slowed(drawn.kilobitsPerSecond)} && exec "$@"`;
      const child = spawn("unshare", ["-n", "sh", "-c", inside, "sh", ...node], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      context.onEnd(() => child.kill());
      let output = "";
      child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
      return new Promise<void>((resolve, reject) => {
        child.once("error", reject);
        child.once("close", (code) => {
          if (code === 0) resolve();
          else reject(new IntegrityFailure(`in a network of ${drawn.kilobitsPerSecond} kbit/s: ${output}`));
        });
      });
    },
    *simpler(drawn) {
      const { inner } = drawn;
      if ("count" in inner && inner.kind !== "packets")
        yield { ...drawn, inner: { ...inner, kind: "packets" } };
    },
  };
}

function slowed(kilobitsPerSecond: number): string {
  return `ip link set lo up && tc qdisc add dev lo root tbf rate ${kilobitsPerSecond}kbit burst 16kb limit 4mb`;
}
