import { readFileSync } from "node:fs";

/** The services whose names work on every system, also where there is no `/etc/services`. */
const BUILT_IN: Readonly<Record<string, number>> = {
  "domain/tcp": 53,
  "domain/udp": 53,
  "ftp/tcp": 21,
  "ftps/tcp": 990,
  "gopher/tcp": 70,
  "http/tcp": 80,
  "https/tcp": 443,
  "https/udp": 443,
  "imap/tcp": 143,
  "imaps/tcp": 993,
  "ntp/udp": 123,
  "pop3/tcp": 110,
  "pop3s/tcp": 995,
  "smtp/tcp": 25,
  "ssh/tcp": 22,
  "submission/tcp": 587,
  "submissions/tcp": 465,
  "telnet/tcp": 23,
};

let systemTable: ReadonlyMap<string, number> | undefined;

/**
 * The port of a service name or alias (case does not matter), `undefined` if nobody knows it. Reads
 * `/etc/services` once.
 */
export function servicePort(name: string, protocol: "tcp" | "udp"): number | undefined {
  const key = `${name.toLowerCase()}/${protocol}`;
  if (Object.hasOwn(BUILT_IN, key)) return BUILT_IN[key];
  systemTable ??= parseServices(readServices());
  return systemTable.get(key);
}

/** Reads the text of a services(5) file; lines that are none are passed over. */
export function parseServices(text: string): ReadonlyMap<string, number> {
  const table = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [name, portAndProtocol, ...aliases] = line.replace(/#.*/s, "").trim().split(/\s+/);
    const [, port, protocol] = /^(\d{1,5})\/(tcp|udp)$/.exec(portAndProtocol ?? "") ?? [];
    if (name === undefined || Number(port ?? Number.NaN) > 65535 || protocol === undefined) continue;
    for (const each of [name, ...aliases]) {
      const key = `${each.toLowerCase()}/${protocol}`;
      if (!table.has(key)) table.set(key, Number(port));
    }
  }
  return table;
}

function readServices(): string {
  try {
    return readFileSync("/etc/services", "utf8");
  } catch {
    return ""; // No such file here: the built-in names are all there are.
  }
}
