import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** A throw-away certificate and its key, as files. It signs itself, so it is its own authority. */
export interface TestIdentity {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes a certificate for these names with openssl. */
export function selfSigned(directory: string, names: readonly string[]): TestIdentity {
  const [name = ""] = names;
  const certFile = join(directory, `${name}.crt`);
  const keyFile = join(directory, `${name}.key`);
  const alternatives = names.map((each) => (/^[\d.:]+$/.test(each) ? `IP:${each}` : `DNS:${each}`));
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" ");
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=${alternatives.join(",")}`];
  const files = ["-keyout", keyFile, "-out", certFile];
  execFileSync("openssl", [...request, ...subject, ...files], { stdio: ["ignore", "ignore", "pipe"] });
  return { certFile, keyFile };
}
