import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { NetError } from "../contracts/error.ts";
import type { FailureSite } from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";

/**
 * A text that ought to be PEM (RFC 7468), and what messages call it: its file, or the option that holds it.
 */
export interface PemSource {
  readonly text: string;
  readonly name: string;
}

/** What a block holds, by its label. */
const LABELS = {
  certificate: /^(?:X509 |TRUSTED )?CERTIFICATE$/,
  "private key": /PRIVATE KEY$/,
  "list of revoked certificates": /^X509 CRL$/,
} as const;

/** The first line of a block, cut. */
const CUT_BEGIN = /^-----(?:B[A-Z0-9 ]*-{0,4})?$/;

type Content = keyof typeof LABELS;

/** The certificates of a source, in the order in which they stand there. */
export interface CertificateChain {
  readonly pem: string;
  readonly certificates: readonly [X509Certificate, ...X509Certificate[]];
}

/**
 * Reads PEM sources. Node's own reading takes an empty, cut or garbled list of authorities for one of nobody,
 * without a word. Each method throws a NetError `tls` that names the source.
 */
export class PemReader {
  readonly #site: FailureSite;

  constructor(site: FailureSite) {
    this.#site = site;
  }

  /** All certificates of a source: at least one. */
  certificates(source: PemSource): CertificateChain {
    const blocks = this.#blocks(source, "certificate");
    const [first, ...others] = blocks.map((block, index) =>
      this.#parsed(
        source,
        blocks.length === 1 ? "its certificate" : `certificate ${index + 1} of ${blocks.length}`,
        () => {
          return new X509Certificate(block);
        },
      ),
    );
    if (first === undefined) throw this.fault(source, "holds no certificate");
    return { pem: blocks.join("\n"), certificates: [first, ...others] };
  }

  /** The private key of a source: the first, if there are several. */
  privateKey(
    source: PemSource,
    passphrase: string | undefined,
  ): { readonly pem: string; readonly key: KeyObject } {
    const [pem = ""] = this.#blocks(source, "private key");
    const isEncrypted = /ENCRYPTED/.test(pem);
    if (isEncrypted && passphrase === undefined) {
      throw this.fault(source, "holds an encrypted private key, and there is no passphrase");
    }
    const what = isEncrypted ? "its private key, with this passphrase" : "its private key";
    const key = this.#parsed(source, what, () => createPrivateKey({ key: pem, passphrase }));
    return { pem, key };
  }

  /** All lists of revoked certificates of a source: at least one. */
  revocationLists(source: PemSource): string[] {
    const blocks = this.#blocks(source, "list of revoked certificates");
    for (const crl of blocks) {
      // The only way of Node to parse one.
      this.#parsed(source, "its list of revoked certificates", () => createSecureContext({ crl }));
    }
    return blocks;
  }

  /** What is wrong with a source. */
  fault(source: PemSource, what: string, cause?: unknown): NetError {
    return new NetError({ ...this.#site, code: "tls", reason: `TLS: ${source.name} ${what}`, cause });
  }

  #parsed<T>(source: PemSource, what: string, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      const { reason } = netErrorFrom(error, this.#site);
      throw this.fault(source, `cannot be used: ${what} cannot be read (${reason})`, error);
    }
  }

  /** The blocks that hold what is wanted; at least one. Text between blocks is a comment (RFC 7468 §5.2). */
  #blocks(source: PemSource, content: Content): string[] {
    const found: string[] = [];
    const others = new Set<string>();
    for (const { 1: label = "", index } of source.text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----/g)) {
      const last = `-----END ${label}-----`;
      const end = source.text.indexOf(last, index);
      if (end === -1) throw this.fault(source, `is cut: its block ${JSON.stringify(label)} has no end`);
      if (LABELS[content].test(label)) found.push(source.text.slice(index, end + last.length));
      else others.add(label);
    }
    const [lastLine = ""] = /[^\n]*$/.exec(source.text.trimEnd()) ?? [];
    if (CUT_BEGIN.test(lastLine))
      throw this.fault(source, `is cut: it ends with ${JSON.stringify(lastLine)}`);
    if (found.length > 0) return found;
    const instead =
      source.text.trim() === ""
        ? "it is empty"
        : others.size > 0
          ? `only ${[...others].join(", ")}`
          : "it is not PEM, which has lines such as -----BEGIN CERTIFICATE-----";
    throw this.fault(source, `holds no ${content}: ${instead}`);
  }
}
