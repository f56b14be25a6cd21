import type { ConnectionOptions } from "node:tls";
import { checkAlpn, checkText, tlsName, VERSIONS } from "./check-tls-options.ts";
import { argumentError } from "../contracts/failures.ts";
import { PemReader, type PemSource } from "./pem.ts";
import { checkKind, checkNames, checkOneOf } from "../options/check-values.ts";

/** All options that `node:tls` has for a client. */
const nodeNames: Readonly<Record<keyof ConnectionOptions, 1>> = {
  ALPNCallback: 1,
  ALPNProtocols: 1,
  SNICallback: 1,
  allowPartialTrustChain: 1,
  ca: 1,
  cert: 1,
  checkServerIdentity: 1,
  ciphers: 1,
  clientCertEngine: 1,
  crl: 1,
  dhparam: 1,
  ecdhCurve: 1,
  enableTrace: 1,
  honorCipherOrder: 1,
  host: 1,
  key: 1,
  lookup: 1,
  maxVersion: 1,
  minDHSize: 1,
  minVersion: 1,
  passphrase: 1,
  path: 1,
  pfx: 1,
  port: 1,
  privateKeyEngine: 1,
  privateKeyIdentifier: 1,
  pskCallback: 1,
  rejectUnauthorized: 1,
  requestCert: 1,
  secureContext: 1,
  secureOptions: 1,
  secureProtocol: 1,
  servername: 1,
  session: 1,
  sessionIdContext: 1,
  sessionTimeout: 1,
  sigalgs: 1,
  socket: 1,
  ticketKeys: 1,
  timeout: 1,
};
/** `requestOCSP` is in Node's documentation and not in its types. */
const names = { ...nodeNames, requestOCSP: 1 } as const;

/** What is not a boolean here Node takes for one: the text `"false"` would let more peers in. */
const BOOLEANS = [
  "rejectUnauthorized",
  "requestCert",
  "allowPartialTrustChain",
  "honorCipherOrder",
  "enableTrace",
] as const;
/** Those of OpenSSL's methods that speak no version before 1.2. */
const PROTOCOLS = ["TLSv1_2_method", "TLSv1_2_client_method"] as const;

/**
 * Checks the options of `node:tls` with which a client is to be made secure: each name, the values that
 * decide whom it trusts, and what `ca`, `cert`, `key` and `crl` hold, which Node takes empty, cut or garbled
 * for nobody. For those who write a transport.
 *
 * @param what what messages call the options: `tls`.
 * @returns the same, with the server's name as A-labels (RFC 6066 §3), and no version before 1.2.
 * @throws NetError `invalid_argument`, and `tls` for what cannot be read.
 */
export function checkConnectionOptions(what: string, options: ConnectionOptions): ConnectionOptions {
  checkKind("dial", what, options, "object");
  checkNames("dial", what, options, names);
  for (const name of BOOLEANS) {
    checkKind("dial", `${what}.${name}`, options[name], "boolean");
  }
  for (const name of ["checkServerIdentity", "lookup"] as const) {
    checkKind("dial", `${what}.${name}`, options[name], "function");
  }
  for (const name of ["passphrase", "ciphers"] as const) {
    checkKind("dial", `${what}.${name}`, options[name], "string");
  }
  checkOneOf("dial", `${what}.secureProtocol`, options.secureProtocol, PROTOCOLS);
  checkOneOf("dial", `${what}.minVersion`, options.minVersion, VERSIONS);
  checkOneOf("dial", `${what}.maxVersion`, options.maxVersion, VERSIONS);
  // As bytes it is what goes over the wire, and Node's own business.
  if (!ArrayBuffer.isView(options.ALPNProtocols)) {
    checkAlpn("dial", `${what}.ALPNProtocols`, options.ALPNProtocols);
  }
  checkMaterial(what, options);
  const { servername, secureProtocol, minVersion = VERSIONS[0] } = options;
  // Node does not take both, and its own default can be set to less, for all of the process.
  const checked = secureProtocol === undefined ? { ...options, minVersion } : options;
  // The empty name asks for none.
  if (servername === undefined || (servername as unknown) === "") return checked;
  return { ...checked, servername: tlsName("dial", `${what}.servername`, servername) };
}

function checkMaterial(what: string, options: ConnectionOptions): void {
  const reader = new PemReader({ op: "dial" });
  const { passphrase } = options;
  for (const source of sourcesOf(what, "ca", options.ca)) reader.certificates(source);
  for (const source of sourcesOf(what, "crl", options.crl)) reader.revocationLists(source);
  const chains = sourcesOf(what, "cert", options.cert).map((source) => reader.certificates(source));
  const keys = sourcesOf(what, "key", options.key).map((source) => ({
    source,
    key: reader.privateKey(source, source.passphrase ?? passphrase).key,
  }));
  const isKnown = options.pfx !== undefined || options.secureContext !== undefined;
  const hasKey = options.key !== undefined || options.privateKeyIdentifier !== undefined;
  if (!isKnown && (options.cert !== undefined) !== hasKey) {
    const which = hasKey ? "key without its certificate" : "certificate without its key";
    throw argumentError("dial", `${what} has a ${which}`);
  }
  for (const { source, key } of keys) {
    const isOfAny = chains.some(({ certificates: [first] }) => first.checkPrivateKey(key));
    if (chains.length > 0 && !isOfAny) {
      throw reader.fault(source, `is not the private key of the certificate in ${what}.cert`);
    }
  }
}

interface Source extends PemSource {
  readonly passphrase?: string | undefined;
}

/** The texts of an option: Node takes one or a list, and of keys also `{ pem, passphrase }`. */
function sourcesOf(what: string, option: string, given: unknown): Source[] {
  if (given === undefined) return [];
  const isList = Array.isArray(given);
  const list: readonly unknown[] = isList ? given : [given];
  // Of no authorities nobody is trusted, and of no lists of revoked certificates nobody is asked: it is an
  // oversight.
  if (list.length === 0) throw argumentError("dial", `${what}.${option} is an empty list`);
  return list.map((each, index) => {
    const name = isList ? `${what}.${option}[${index}]` : `${what}.${option}`;
    const isKey = typeof each === "object" && each !== null && "pem" in each;
    const text: unknown = isKey ? each.pem : each;
    const passphrase: unknown = isKey && "passphrase" in each ? each.passphrase : undefined;
    checkText("dial", name, text);
    checkKind("dial", `${name}.passphrase`, passphrase, "string");
    return {
      name,
      text: text instanceof Uint8Array ? Buffer.from(text).toString("latin1") : String(text),
      passphrase: typeof passphrase === "string" ? passphrase : undefined,
    };
  });
}
