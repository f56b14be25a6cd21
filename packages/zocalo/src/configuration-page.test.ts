import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { configurationPage, EXAMPLE } from "./configuration-page.ts";
import { readSettings } from "./read-settings.ts";

test("docs/configuration.md is what the table of settings says", () => {
  const page = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
  assert.equal(page, configurationPage(), "run `npm run docs --workspace packages/zocalo`");
});

test("its example is accepted", () => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-example-"));
  writeFileSync(join(directory, "zocalo.config.json"), JSON.stringify(EXAMPLE));
  const settings = readSettings({ flags: {}, environment: {}, directory });
  assert.deepEqual(settings.allowedOrigins, EXAMPLE.allowedOrigins);
  assert.deepEqual(settings.allowedHosts, EXAMPLE.allowedHosts);
  rmSync(directory, { recursive: true });
});
