// Each team has shapes of its own, in the picture and in the words around it: nobody needs the colours.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "../scripts/browser.ts";
import { bundle } from "../scripts/bundle.ts";
import type { shapes } from "./shapes-page.tsx";

test("in the same colours the bodies, eggs and emblems of the two teams still differ", async (t) => {
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  const { script } = await bundle(fileURLToPath(new URL("shapes-page.tsx", import.meta.url)));
  await page.addScriptTag({ content: script });
  const seen = await page.evaluate(() => (window as unknown as { shapes: typeof shapes }).shapes());
  t.diagnostic(JSON.stringify(seen));
  assert.equal(seen.same, 0, "what is alike does not differ");
  assert.equal(seen.bodies.length, 5);
  for (const share of seen.bodies) assert.ok(share > 0.08, `bodies differ in ${share} of the picture`);
  assert.ok(seen.emblem > 0.1, `emblems differ in ${seen.emblem} of the picture`);
  assert.ok(seen.egg > 0.002, `eggs differ in ${seen.egg} of the picture`);
});
