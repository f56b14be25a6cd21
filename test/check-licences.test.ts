import assert from "node:assert/strict";
import { test } from "node:test";
import { isAllowedLicence, licenceProblems, licenceTable } from "../scripts/check-licences.ts";
import type { Component } from "../scripts/sbom.ts";

const component = (name: string, licenses?: Component["licenses"]): Component => ({
  "bom-ref": `${name}@1.0.0`,
  name,
  version: "1.0.0",
  purl: `pkg:npm/${name}@1.0.0`,
  ...(licenses && { licenses }),
});

test("an expression is allowed if allowed licences alone can be chosen", () => {
  const allowed = ["MIT", "(MIT)", "GPL-3.0-only OR MIT", "MIT AND ISC", "(GPL-2.0-only OR (MIT AND 0BSD))"];
  for (const expression of allowed) assert.ok(isAllowedLicence(expression), expression);
  const refused = [
    ...["", "GPL-3.0-only", "UNLICENSED", "SEE LICENSE IN LICENSE.md", "mit", "MIT,"],
    ...["MIT AND GPL-3.0-only", "GPL-3.0-only AND MIT OR AGPL-3.0-only", "MIT OR", "(MIT", "MIT)", "MIT MIT"],
  ];
  for (const expression of refused) assert.ok(!isAllowedLicence(expression), expression);
});

test("a forbidden licence and one that nobody knows are told, with the package and what is allowed", () => {
  const problems = licenceProblems([
    component("sound", [{ license: { id: "MIT" } }]),
    component("two", [{ license: { id: "MIT" } }, { license: { id: "GPL-3.0-only" } }]),
    component("choice", [{ expression: "GPL-3.0-only OR ISC" }]),
    component("named", [{ license: { name: "My own" } }]),
    component("silent"),
  ]);
  assert.deepEqual(
    problems.map((problem) => problem.replace(/ allowed are .*MIT$/, "")),
    [
      "two@1.0.0: licence MIT AND GPL-3.0-only;",
      "named@1.0.0: licence My own;",
      "silent@1.0.0: licence unknown;",
    ],
  );
});

test("all that ships is listed by its licence", () => {
  const shipped = [
    component("b", [{ license: { id: "MIT" } }]),
    component("a", [{ license: { id: "MIT" } }]),
  ];
  const table = licenceTable([component("c", [{ license: { id: "ISC" } }]), ...shipped]);
  assert.equal(table, "ISC: c 1.0.0\nMIT: a 1.0.0, b 1.0.0");
});
