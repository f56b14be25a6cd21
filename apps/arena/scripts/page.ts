import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { launchBrowser } from "./browser.ts";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** A phone of the middle class, upright. */
export const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 3,
  isMobile: true,
  hasTouch: true,
};

/** The built server, and Debian's Chromium without a window. */
export class Served {
  readonly browser: Browser;
  readonly #address: string;
  readonly #stop: () => void;

  private constructor(browser: Browser, address: string, stop: () => void) {
    this.browser = browser;
    this.#address = address;
    this.#stop = stop;
  }

  /** Needs `npm run build`. */
  static async start(): Promise<Served> {
    const ports = ["--http-port", "0", "--tcp-port", "off", "--udp-port", "off", "--lane-port", "0"];
    const server = spawn(process.execPath, [join(ROOT, "packages/zocalo/dist/bin.js"), "serve", ...ports], {
      cwd: tmpdir(),
      env: { ...process.env, ZOCALO_ENGINE: "memory" },
      stdio: ["ignore", "pipe", "ignore"],
    });
    server.stdout.setEncoding("utf8");
    let banner = "";
    server.stdout.on("data", (text: string) => (banner += text));
    while (!/http:\/\/localhost:\d+\//.test(banner)) await once(server.stdout, "data");
    const [address = ""] = /http:\/\/localhost:\d+\//.exec(banner) ?? [];
    const browser = await launchBrowser();
    return new Served(browser, address, () => server.kill());
  }

  /** A page with the title on it. @param seed of the match. */
  async open(options: BrowserContextOptions, seed: number) {
    const context = await this.browser.newContext({ locale: "en-US", ...options });
    const page = await context.newPage();
    await page.goto(`${this.#address}arena/?seed=${seed}`);
    await page.getByTestId("play").waitFor();
    return page;
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.#stop();
  }
}
