import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { inspect } from "node:util";
import { type Conn, NetError } from "@zocalo/net";

export const USER = "ana";
export const PASSWORD = "s/ésamo:1";

/** An error, its causes and all its fields hold nothing of user and password. */
export function hidesSecrets(error: unknown): void {
  const whole = inspect(error, { depth: 9, showHidden: true });
  const basic = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), basic]) {
    assert.ok(!whole.includes(secret), whole);
  }
}

export async function fails(dialed: Promise<Conn>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(dialed, (error: unknown) => {
    assert.ok(error instanceof NetError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    hidesSecrets(error);
    return true;
  });
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export const basic = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
