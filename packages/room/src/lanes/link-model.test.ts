import assert from "node:assert/strict";
import { test } from "node:test";
import { type LinkConditions, LinkModel } from "./link-model.ts";

/** What becomes of `count` datagrams of 100 bytes, one each millisecond. */
function run(model: LinkModel, count = 10_000): { at: number; sent: number }[] {
  const arrivals: { at: number; sent: number }[] = [];
  for (let sent = 0; sent < count; sent++) {
    for (const at of model.datagram(100, sent)) arrivals.push({ at, sent });
  }
  return arrivals;
}

function between(value: number, least: number, most: number): void {
  assert.ok(value >= least && value <= most, `${value} is not from ${least} to ${most}`);
}

test("a perfect link delivers at once", () => {
  assert.deepEqual(run(new LinkModel(1), 3), [
    { at: 0, sent: 0 },
    { at: 1, sent: 1 },
    { at: 2, sent: 2 },
  ]);
});

test("the same seed does the same, another one something else", () => {
  const conditions = { delayMs: 20, jitterMs: 9, loss: 0.1, duplicate: 0.1, reorder: 0.1 };
  const first = run(new LinkModel(5, conditions), 500);
  assert.deepEqual(run(new LinkModel(5, conditions), 500), first);
  assert.notDeepEqual(run(new LinkModel(6, conditions), 500), first);
});

test("so many are lost, doubled and kept back as was asked", () => {
  const model = new LinkModel(2, { loss: 0.05, duplicate: 0.1, reorder: 0.2, delayMs: 10 });
  const arrivals = run(model);
  const { passed, lost, duplicated } = model.counts;
  assert.equal(passed + lost, 10_000);
  assert.equal(arrivals.length, passed + duplicated);
  between(lost, 400, 600);
  between(duplicated, 800, 1_100);
  between(arrivals.filter(({ at, sent }) => at - sent === 60).length, 1_800, 2_400);
});

test("jitter delays by up to what it is, and so reorders", () => {
  const arrivals = run(new LinkModel(3, { delayMs: 30, jitterMs: 10 }));
  for (const { at, sent } of arrivals) between(at - sent, 30, 40);
  assert.ok(arrivals.some(({ at }, index) => at < (arrivals[index - 1]?.at ?? 0)));
});

test("a hold lets go of everything at its end", () => {
  for (const { at, sent } of run(new LinkModel(3, { holdMs: 200, holdEveryMs: 1_000 }), 3_000)) {
    assert.equal(at, sent % 1_000 < 200 ? sent - (sent % 1_000) + 200 : sent);
  }
});

test("the bandwidth spreads what is sent, and loses what its queue has no room for", () => {
  const model = new LinkModel(3, { bytesPerSecond: 50_000, queueBytes: 1_000 });
  const arrivals = run(model, 1_000);
  between(arrivals.length, 500, 515);
  for (const [index, { at, sent }] of arrivals.entries()) {
    between(at - sent, 2, 22);
    if (index > 0) assert.ok(at - (arrivals[index - 1]?.at ?? 0) >= 1.99);
  }
});

test("nothing passes a silent link; a stream waits for it", () => {
  const model = new LinkModel(3, { isSilent: true });
  assert.deepEqual([run(model, 10), model.stream(5, 0)], [[], undefined]);
  model.set({ isSilent: false });
  assert.equal(model.stream(5, 3), 3);
});

test("datagrams longer than the link takes are lost, whatever else", () => {
  const model = new LinkModel(3, { maxDatagramBytes: 1_200 });
  assert.deepEqual([model.datagram(1_200, 0), model.datagram(1_201, 0)], [[0], []]);
});

test("a stream keeps its order, and what is lost of it comes later", () => {
  const model = new LinkModel(9, { delayMs: 20, jitterMs: 30, loss: 0.1 });
  let before = 0;
  let late = 0;
  for (let now = 0; now < 2_000; now++) {
    const at = model.stream(100, now) ?? assert.fail();
    assert.ok(at >= before && at >= now + 20);
    if (at > now + 200) late += 1;
    before = at;
  }
  assert.ok(late > 100);
});

test("conditions that are none are refused, and named", () => {
  const wrong: Partial<LinkConditions>[] = [
    { loss: 1.1 },
    { delayMs: -1 },
    { jitterMs: Number.NaN },
    { holdMs: 1_000 },
    { bytesPerSecond: 0 },
    { lost: 1 } as Partial<LinkConditions>,
  ];
  for (const conditions of wrong) {
    const name = Object.keys(conditions)[0] ?? "";
    assert.throws(
      () => new LinkModel(1, conditions),
      (error) => error instanceof RangeError && error.message.includes(name),
    );
    assert.throws(() => new LinkModel(1).set(conditions), RangeError);
  }
});
