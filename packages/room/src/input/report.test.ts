import assert from "node:assert/strict";
import { test } from "node:test";
import { InputReport, MAX_REPORT_BYTES, readReport, writeReport } from "./report.ts";

function same(report: InputReport, expected: Partial<InputReport>): void {
  assert.deepEqual(report, Object.assign(new InputReport(), expected));
}

test("a report is what was said, held within what can be told; what is not one is refused", () => {
  const out = new Uint8Array(MAX_REPORT_BYTES);
  const said = (report: Partial<InputReport>, tick: number): InputReport => {
    const read = new InputReport();
    const end = writeReport(Object.assign(new InputReport(), report), tick, out, 0);
    assert.equal(readReport(read, tick, out.subarray(0, end), 0), end);
    for (let length = 0; length < end; length++) {
      assert.ok(!(readReport(new InputReport(), tick, out.subarray(0, length), 0) <= length));
    }
    return read;
  };
  const usual = { sentAt: 1_000.25, taken: 1_000, applied: 0xffffffff, depth: 2, came: 1_002, cameAt: 999.5 };
  same(said(usual, 1_000), usual);
  assert.deepEqual([...out.subarray(0, 5)], [0x24, 0, 2, 0x98, 0x80]);
  const bad = { ...usual, taken: 746, applied: 0x80000001, depth: -128, came: 488, cameAt: 997.0625 };
  same(said(bad, 1_000), bad);
  assert.deepEqual([...out.subarray(0, 9)], [0x34, 254, 0x80, 1, 0, 0, 0x80, 0x3f, 0]);
  same(said({ ...bad, own: 513 }, 1_000), { ...bad, own: 513 });
  assert.deepEqual([...out], [0x74, 254, 0x80, 1, 0, 0, 0x80, 0x3f, 0, 1, 2]);
  const told = said({ sentAt: 1_009, taken: 745, applied: 7, depth: 500, came: 1_512, cameAt: 3 }, 1_000);
  same(told, { sentAt: 1_000.9375, taken: 0, applied: 0, depth: 127, came: 0, cameAt: 0 });
  assert.equal(said({ came: 5, cameAt: 0 }, 1_000).came, 0);
  assert.equal(said({ came: 1_000, cameAt: 0 }, 1_000).cameAt, 997.0625);
  assert.ok(Number.isNaN(readReport(new InputReport(), 5, Uint8Array.of(0x80, 0, 0, 0), 0)));
});
