// Two that a test's authority vouches for, and a listener of the first; they are gone after the file's tests.
import { after, type TestContext } from "node:test";
import { TestCertificates } from "@zocalo/integrity";
import { type IpAddr, listen, type StreamListener, type TlsListenOptions } from "@zocalo/net";

export const certificates = new TestCertificates();
export const { ca } = certificates;
export const local = certificates.issue("local", ["localhost", "127.0.0.1"]);
export const ana = certificates.issue("ana", ["ana.example"]);
after(() => certificates.remove());

/** Listens as `local`, until the test is over. */
export async function open(
  t: TestContext,
  options: Partial<TlsListenOptions> = {},
): Promise<StreamListener<IpAddr>> {
  const listener = await listen("tls", "127.0.0.1:0", { cert: local.cert, key: local.key, ...options });
  t.after(() => listener.abort());
  return listener;
}
