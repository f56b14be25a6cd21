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
  readonly #serials = new Map<string, number>();

  constructor() {
    const { keyFile, certFile } = this.#files("ca");
    const made = ["-keyout", keyFile, "-out", certFile];
    this.#openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=Authority",
      made,
    );
    this.ca = read(certFile, keyFile);
  }

  /**
   * Makes a certificate signed by the authority for these names, valid for `days` from now (negative:
   * expired).
   *
   * @param usage what it may be used for (RFC 5280 §4.2.1.12), as openssl writes it: `"serverAuth"`. Default:
   *   everything.
   */
  issue(name: string, names: readonly string[], days = 2, usage?: string): TestIdentity {
    const { keyFile, certFile } = this.#files(name);
    this.#serials.set(certFile, this.#serial);
    const request = join(this.directory, `${name}.csr`);
    const extensions = join(this.directory, `${name}.ext`);
    const newKey = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    this.#openssl(newKey, ["-subj", `/CN=${name}`, "-keyout", keyFile, "-out", request]);
    const alternatives = names.map((each) => (/^[\d.:]+$/.test(each) ? `IP:${each}` : `DNS:${each}`));
    const used = usage === undefined ? "" : `extendedKeyUsage=${usage}\n`;
    writeFileSync(extensions, `subjectAltName=${alternatives.join(",")}\n${used}`);
    const signer = ["-CA", this.ca.certFile, "-CAkey", this.ca.keyFile, "-extfile", extensions];
    const signed = `x509 -req -set_serial ${this.#serial++} -days ${days}`;
    this.#openssl(signed, ["-in", request, "-out", certFile, ...signer]);
    return read(certFile, keyFile);
  }

  /** Makes a certificate for these names that is not valid before 2048. */
  issueForLater(name: string, names: readonly string[]): TestIdentity {
    const { certFile, keyFile } = this.issue(name, names);
    const config = join(this.directory, "later.cnf");
    const own = `database=${join(this.directory, "later")}\nserial=${join(this.directory, "later.serial")}\n`;
    const rest = `new_certs_dir=${this.directory}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n`;
    writeFileSync(config, `[ca]\ndefault_ca=d\n[d]\n${own}${rest}`);
    writeFileSync(join(this.directory, "later"), "");
    writeFileSync(join(this.directory, "later.serial"), "1000\n");
    const dates = "-startdate 20480101000000Z -enddate 20490101000000Z";
    const signer = ["-config", config, "-cert", this.ca.certFile, "-keyfile", this.ca.keyFile];
    const files = ["-in", join(this.directory, `${name}.csr`), "-out", certFile];
    const extensions = ["-extfile", join(this.directory, `${name}.ext`)];
    this.#openssl(`ca -batch -notext ${dates}`, [...signer, ...files, ...extensions]);
    return read(certFile, keyFile);
  }

  /** Makes a certificate that nobody signed but itself. */
  selfSigned(name: string): TestIdentity {
    const { keyFile, certFile } = this.#files(name);
    const newKey = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    this.#openssl(newKey, ["-subj", `/CN=${name}`, "-keyout", keyFile, "-out", certFile]);
    return read(certFile, keyFile);
  }

  /** The authority's list of revoked certificates (CRL), with these on it. */
  revoke(...revoked: readonly TestIdentity[]): string {
    const lines = revoked.map(({ certFile }) => {
      const serial = (this.#serials.get(certFile) ?? 0).toString(16).padStart(2, "0").toUpperCase();
      return `R\t491231235959Z\t250101000000Z\t${serial}\tunknown\t/CN=revoked\n`;
    });
    const index = join(this.directory, "index");
    writeFileSync(index, lines.join(""));
    const config = join(this.directory, "crl.cnf");
    writeFileSync(
      config,
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${index}\ndefault_md=sha256\ndefault_crl_days=2\n`,
    );
    const list = join(this.directory, "list.crl");
    const signer = ["-cert", this.ca.certFile, "-keyfile", this.ca.keyFile];
    this.#openssl("ca -gencrl", ["-config", config, ...signer, "-out", list]);
    return readFileSync(list, "utf8");
  }

  /** The key of an identity, encrypted. */
  encryptedKey({ keyFile }: TestIdentity, passphrase: string): string {
    const encrypted = `${keyFile}.encrypted`;
    this.#openssl("pkcs8 -topk8", ["-in", keyFile, "-out", encrypted, "-passout", `pass:${passphrase}`]);
    return readFileSync(encrypted, "utf8");
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
