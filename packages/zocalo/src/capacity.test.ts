import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "./read-settings.ts";
import { capacityFor } from "./capacity.ts";

const settings = readSettings({
  flags: { maxClients: "800", maxClientsPerAddress: "300" },
  environment: {},
  directory: "/",
});

test("where files are many enough, the settings count", () => {
  for (const files of [1_200, 1_000_000]) {
    assert.deepEqual(capacityFor(settings, files), {
      maxClients: 800,
      maxClientsPerAddress: 300,
      maxConnectionsPerAddress: 400,
      tooFewFiles: undefined,
    });
  }
});

test("with one file less than a quarter for an address, it gets less, and that is told", () => {
  const { maxClients, maxClientsPerAddress, tooFewFiles } = capacityFor(settings, 1_199);
  assert.deepEqual([maxClients, maxClientsPerAddress, tooFewFiles], [800, 299, 1_199]);
});

test("two doors full of one address leave a quarter of the files", () => {
  for (const files of [8, 64, 256, 1_024, 4_096]) {
    const { maxClients, maxConnectionsPerAddress } = capacityFor(settings, files);
    assert.ok(2 * maxConnectionsPerAddress <= (files * 3) / 4, `${maxConnectionsPerAddress} of ${files}`);
    assert.ok(maxClients <= (files * 3) / 4);
  }
});
