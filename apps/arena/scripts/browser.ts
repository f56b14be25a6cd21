import { type Browser, chromium } from "playwright-core";

const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"];

/** Debian's Chromium, without a window. The caller closes it. @param env beside that of this process. */
export function launchBrowser(env: Record<string, string> = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ARGS,
    env: { ...process.env, ...env },
  });
}
