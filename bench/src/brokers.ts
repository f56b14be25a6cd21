import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { type ServerProcess, type SpawnOptions, spawnServer } from "./measure.ts";
import { RESULTS_DIRECTORY } from "./results.ts";

/** Brokers that Debian has a package of by this name. */
export const BROKERS = ["nats-server", "mosquitto"] as const;
export type Broker = (typeof BROKERS)[number];

/** Where the program is. */
export function findBroker(name: Broker): string | undefined {
  const directories = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

/** Those that are here; of the others it is said that they are not. */
export function brokersHere(): Broker[] {
  return BROKERS.filter((name) => {
    const isHere = findBroker(name) !== undefined;
    if (!isHere) console.log(`note: without ${name}, which is not here (apt-get install ${name})`);
    return isHere;
  });
}

/** Starts one on a port of this machine. */
export async function startBroker(name: Broker, options: Pick<SpawnOptions, "cpu">): Promise<ServerProcess> {
  const port = await freePort();
  const configuration = join(RESULTS_DIRECTORY, "tmp", `${name}.conf`);
  mkdirSync(join(RESULTS_DIRECTORY, "tmp"), { recursive: true });
  writeFileSync(configuration, CONFIGURATIONS[name](port));
  // Both write their log to standard error, and standard output is no file that one of them could open.
  const command = `exec ${findBroker(name) ?? name} -c ${configuration} 2>&1`;
  return await spawnServer("/bin/sh", {
    ...options,
    runtime: null,
    args: ["-c", command],
    readyFrom: (line) => (IS_READY[name].test(line) ? { port } : undefined),
  });
}

/** Nobody is asked for a sign of life, which the load does not give. */
const CONFIGURATIONS: Record<Broker, (port: number) => string> = {
  "nats-server": (port) => `listen: "127.0.0.1:${port}"\nping_interval: "1h"\n`,
  mosquitto: (port) =>
    `listener ${port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nconnection_messages false\nlog_dest stderr\n`,
};
const IS_READY: Record<Broker, RegExp> = {
  "nats-server": /Server is ready/,
  mosquitto: /mosquitto version .* running/,
};

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
