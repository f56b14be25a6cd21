import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A throw-away certificate that vouches for itself, made by openssl: who has `cert` as its `ca` trusts it.
 *
 * @param days how long it is valid from now on; negative: it has expired.
 */
export function selfSigned(
  subjectAltName: string,
  days = 2,
): { readonly cert: string; readonly key: string } {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-wss-"));
  const openssl = (command: string, ...args: string[]): void => {
    execFileSync("openssl", [...command.split(" "), ...args], { stdio: ["ignore", "ignore", "pipe"] });
  };
  try {
    const [keyFile = "", certFile = "", request = "", extensions = ""] = ["key", "crt", "csr", "ext"].map(
      (name) => join(directory, name),
    );
    writeFileSync(extensions, `subjectAltName=${subjectAltName}\n`);
    const newKey = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test";
    openssl(newKey, "-keyout", keyFile, "-out", request);
    const signed = `x509 -req -days ${days}`;
    openssl(signed, "-in", request, "-signkey", keyFile, "-extfile", extensions, "-out", certFile);
    return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
