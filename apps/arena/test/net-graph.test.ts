// The net graph in a real browser, with the figures of a network that there is not.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "../scripts/browser.ts";
import { bundle } from "../scripts/bundle.ts";

async function open(t: TestContext, locale: string) {
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale });
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  const { script, style } = await bundle(fileURLToPath(new URL("net-page.tsx", import.meta.url)));
  await page.addStyleTag({ content: style });
  await page.addScriptTag({ content: script });
  await page.getByTestId("practice").click();
  const graph = page.getByTestId("net-graph");
  return { page, graph, complaints };
}

test("the net graph is hidden until its key or its button asks for it, and says every figure", async (t) => {
  const { page, graph, complaints } = await open(t, "en-US");
  assert.equal(await graph.count(), 0);
  await page.keyboard.press("KeyN");
  await graph.waitFor();
  await page.keyboard.press("KeyN");
  await graph.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Net graph", expanded: false }).click();
  await page.getByRole("region", { name: "Network" }).waitFor();

  await page.evaluate(() => (window as unknown as { offerBad: () => void }).offerBad());
  await graph.getByText("WebSocket").waitFor();
  assert.equal(await page.getByTestId("roundTripMs").textContent(), "321\u00a0ms");
  assert.equal(await page.getByTestId("lossShare").textContent(), "6.2\u00a0%");
  assert.equal(await page.getByTestId("predictionErrorUnits").textContent(), "0.31\u00a0u");
  assert.equal(await graph.locator("[data-rough] [data-testid=roundTripMs]").count(), 1);
  // The newest bar, at the right, reaches the top: it is the largest of the ten seconds.
  const inked = await graph
    .locator("canvas")
    .first()
    .evaluate((canvas: HTMLCanvasElement) => {
      const { width } = canvas;
      const data = canvas.getContext("2d")?.getImageData(width - 2, 1, 1, 1).data;
      return data?.[3] ?? 0;
    });
  assert.ok(inked > 200, `${inked}`);
  assert.deepEqual(complaints, []);
});

test("its switches simulate one bad link at a time, and none when they are off", async (t) => {
  const { page, graph, complaints } = await open(t, "es-MX");
  await page.getByRole("button", { name: "Gráfica de red" }).click();
  await graph.getByText("Ida y vuelta").waitFor();
  const [far, bursts] = ["150 ms y 5 % de pérdida", "Wi-Fi a ráfagas"] as const;
  const link = (name: string, checked: boolean) => page.getByRole("switch", { name, checked });
  await link(bursts, false).waitFor();
  await link(far, false).click();
  await link(far, true).waitFor();
  await link(bursts, false).click();
  await link(far, false).waitFor();
  await link(bursts, true).click();
  await link(bursts, false).waitFor();
  const links = await page.evaluate(() => (window as unknown as { links: number[] }).links);
  assert.deepEqual(links, [70, 5, 0]);
  assert.deepEqual(complaints, []);
});
