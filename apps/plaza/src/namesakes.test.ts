import assert from "node:assert/strict";
import { test } from "node:test";
import { namesakes } from "./namesakes.ts";

const ana = { user: "guest-000011112222", name: "Ana" };
const other = { user: "guest-999988887777", name: "Ana" };
const omar = { user: "guest-333344445555", name: "Omar" };

test("a name that one user has needs no mark, however often they are seen", () => {
  const markOf = namesakes([ana, omar, ana]);
  assert.equal(markOf(ana.user, "Ana"), undefined);
  assert.equal(markOf(omar.user, "Omar"), undefined);
});

test("users of one name are told apart by the ends of their ids, and nobody else is marked", () => {
  const markOf = namesakes([ana, omar, other]);
  assert.equal(markOf(ana.user, "Ana"), "2222");
  assert.equal(markOf(other.user, "Ana"), "7777");
  assert.equal(markOf(omar.user, "Omar"), undefined);
});

test("names that look the same are the same", () => {
  for (const name of ["ana", "Ａｎａ", "A n a", "An\u3164a", "Ana\u2800"]) {
    const markOf = namesakes([ana, { ...other, name }]);
    assert.equal(markOf(ana.user, "Ana"), "2222", name);
    assert.equal(markOf(other.user, name), "7777", name);
  }
});

test("ids that end in the same way have longer marks", () => {
  const markOf = namesakes([ana, { user: "guest-000091112222", name: "Ana" }]);
  assert.equal(markOf(ana.user, "Ana"), "11112222");
  assert.equal(markOf("guest-000091112222", "Ana"), "91112222");
});

test("an id that is the end of another is shown whole", () => {
  const markOf = namesakes([
    { user: "22222", name: "Ana" },
    { user: "122222", name: "Ana" },
  ]);
  assert.equal(markOf("22222", "Ana"), "22222");
  assert.equal(markOf("122222", "Ana"), "122222");
});

test("who takes another's id for a name is marked, and the other is not", () => {
  const markOf = namesakes([
    { user: omar.user, name: omar.user },
    { user: ana.user, name: omar.user },
  ]);
  assert.equal(markOf(omar.user, omar.user), undefined);
  assert.equal(markOf(ana.user, omar.user), "2222");
});

test("somebody who has gone by the name before counts", () => {
  const markOf = namesakes([ana, { ...ana, name: "Anita" }, other]);
  assert.equal(markOf(ana.user, "Anita"), undefined);
  assert.equal(markOf(ana.user, "Ana"), "2222");
});
