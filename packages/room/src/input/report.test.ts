import assert from "node:assert/strict";
import { test } from "node:test";
import { BitReader } from "../bits/reader.ts";
import { InputReport, MAX_REPORT_BYTES, readReport, writeReport } from "./report.ts";

function same(report: InputReport, expected: Partial<InputReport>): void {
  assert.deepEqual(report, Object.assign(new InputReport(), expected));
}

test("a report is what was said, held within what can be told", () => {
  const out = new Uint8Array(MAX_REPORT_BYTES);
  const said = (report: Partial<InputReport>, tick: number): InputReport => {
    const read = new InputReport();
    const end = writeReport(Object.assign(new InputReport(), report), tick, out, 0);
    const reader = new BitReader(out.subarray(0, end));
    readReport(read, tick, reader);
    assert.ok(reader.isAtEnd);
    for (let length = 0; length < end; length++) {
      const short = new BitReader(out.subarray(0, length));
      readReport(new InputReport(), tick, short);
      assert.ok(short.isPast);
    }
    return read;
  };
  const usual = { taken: 1_000, applied: 0xffffffff, depth: 2, came: 1_002, cameAt: 999.5 };
  same(said(usual, 1_000), usual);
  assert.deepEqual([...out.subarray(0, 4)], [0x12, 0, 0x80, 0x98]);
  const bad = { taken: 746, applied: 0x80000001, depth: -16, came: 488, cameAt: 997.0625, own: 513 };
  same(said(bad, 1_000), bad);
  assert.deepEqual([...out], [0x87, 254, 0x80, 0, 0, 1, 0, 0x3f, 2, 1]);
  const told = said({ taken: 745, applied: 7, depth: 500, came: 1_512, cameAt: 3 }, 1_000);
  same(told, { taken: 0, applied: 0, depth: 15, came: 0, cameAt: 0 });
  assert.equal(said({ came: 5, cameAt: 0 }, 1_000).came, 0);
  assert.equal(said({ came: 1_000, cameAt: 0 }, 1_000).cameAt, 997.0625);
});
