import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key, as files and as text. */
export interface TestIdentity {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A directory of throw-away certificates made by openssl; `remove` deletes it. */
export class TestCertificates {
  readonly directory = mkdtempSync(join(tmpdir(), "zocalo-tls-"));
  readonly ca: TestIdentity;
  #serial = 1;

  constructor() {
    const { keyFile, certFile } = this.#files("ca");
    const made = ["-keyout", keyFile, "-out", certFile];
    this.#openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=Authority",
      made,
    );
    this.ca = read(certFile, keyFile);
  }

  /** Makes a certificate signed by the authority for these names, valid for `days` from now (negative: expired). */
  issue(name: string, names: readonly string[], days = 2): TestIdentity {
    const { keyFile, certFile } = this.#files(name);
    const request = join(this.directory, `${name}.csr`);
    const extensions = join(this.directory, `${name}.ext`);
    const newKey = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    this.#openssl(newKey, ["-subj", `/CN=${name}`, "-keyout", keyFile, "-out", request]);
    const alternatives = names.map((each) => (/^[\d.:]+$/.test(each) ? `IP:${each}` : `DNS:${each}`));
    writeFileSync(extensions, `subjectAltName=${alternatives.join(",")}\n`);
    const signer = ["-CA", this.ca.certFile, "-CAkey", this.ca.keyFile, "-extfile", extensions];
    const signed = `x509 -req -set_serial ${this.#serial++} -days ${days}`;
    this.#openssl(signed, ["-in", request, "-out", certFile, ...signer]);
    return read(certFile, keyFile);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  #files(name: string): { keyFile: string; certFile: string } {
    return { keyFile: join(this.directory, `${name}.key`), certFile: join(this.directory, `${name}.crt`) };
  }

  #openssl(command: string, args: readonly string[]): void {
    execFileSync("openssl", [...command.split(" "), ...args], { stdio: ["ignore", "ignore", "pipe"] });
  }
}

function read(certFile: string, keyFile: string): TestIdentity {
  return { certFile, keyFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
}
