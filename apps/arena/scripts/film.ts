import { fileURLToPath } from "node:url";
import type { BrowserContextOptions, Page } from "playwright-core";
import { ensurePrograms } from "../../../scripts/ensure-programs.ts";
import { fontsFile } from "../../../scripts/picture-fonts.ts";
import { launchBrowser } from "./browser.ts";
import { bundle } from "./bundle.ts";

export const IMAGES = fileURLToPath(new URL("../../../docs/images", import.meta.url));

/** Opens pages whose clock is faked: they show the same on any machine, however slow it is. */
export async function studio() {
  const browser = await launchBrowser({ FONTCONFIG_FILE: fontsFile() });
  const { script, style } = await bundle(fileURLToPath(new URL("film-page.tsx", import.meta.url)));
  /** A page with the title on it. */
  const open = async (options: BrowserContextOptions, seed: number, hasNet = false): Promise<Page> => {
    const context = await browser.newContext({ locale: "en-US", ...options });
    const page = await context.newPage();
    await page.clock.install({ time: 0 });
    await page.setContent('<!doctype html><meta name="viewport" content="width=device-width">');
    await page.clock.pauseAt(1_000);
    await page.addStyleTag({ content: style });
    await page.addScriptTag({ content: script });
    await page.evaluate(([given, net]) => window.film(given, net), [seed, hasNet] as const);
    return page;
  };
  return { open, close: () => browser.close() };
}

/** Presses play, and lets so much of the match pass, in milliseconds, its countdown included. */
export async function play(page: Page, ms: number): Promise<void> {
  await page.clock.runFor(500);
  await page.getByTestId("practice").click();
  await page.clock.runFor(ms);
}

/** Installs Debian's webp where it may. @throws Error with a sentence for who has to install it */
export async function ensureWebp(command: "cwebp" | "img2webp"): Promise<void> {
  const sentence = await ensurePrograms([
    {
      command,
      debianPackage: "webp",
      purpose: "it packs the pictures",
      probe: ["-version"],
      isRight: (output) => /\d+\.\d+/.test(output),
    },
  ]);
  if (sentence !== undefined) throw new Error(sentence);
}
