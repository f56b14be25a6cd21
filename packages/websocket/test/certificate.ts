import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A throw-away certificate that vouches for itself, made by openssl: who has `cert` as its `ca` trusts it. */
export function selfSigned(subjectAltName: string): { readonly cert: string; readonly key: string } {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-wss-"));
  try {
    const [keyFile, certFile] = [join(directory, "key"), join(directory, "crt")];
    const made = ["-keyout", keyFile, "-out", certFile, "-addext", `subjectAltName=${subjectAltName}`];
    const request =
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test";
    execFileSync("openssl", [...request.split(" "), ...made], { stdio: ["ignore", "ignore", "pipe"] });
    return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
