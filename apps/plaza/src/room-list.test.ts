import assert from "node:assert/strict";
import { test } from "node:test";
import { listed, readAnnouncement, ROOMS_LIMIT, SQUARE_ROOMS } from "./room-list.ts";
import { TITLE_LENGTH } from "./slug.ts";

test("an announcement says a room's address and title", () => {
  assert.deepEqual(readAnnouncement({ slug: "cafe", title: " Café " }), { slug: "cafe", title: "Café" });
});

test("what is no announcement is ignored", () => {
  for (const data of [
    null,
    1,
    "cafe",
    [],
    {},
    { slug: "cafe" },
    { slug: "_rooms", title: "x" },
    { slug: 1, title: "x" },
  ]) {
    assert.equal(readAnnouncement(data), undefined, JSON.stringify(data));
  }
});

test("a title that leads elsewhere is replaced by the address", () => {
  assert.deepEqual(readAnnouncement({ slug: "trap", title: "help" }), { slug: "trap", title: "trap" });
  const long = "x".repeat(TITLE_LENGTH + 1);
  assert.deepEqual(readAnnouncement({ slug: "y", title: long }), { slug: "y", title: "y" });
});

test("a room is listed once, under its first title", () => {
  let rooms = listed(SQUARE_ROOMS, { slug: "cafe", title: "Café" });
  rooms = listed(rooms, { slug: "cafe", title: "CAFE" });
  assert.deepEqual(rooms.slice(SQUARE_ROOMS.length), [{ slug: "cafe", title: "Café", topic: "" }]);
});

test("a room that was entered by its address gets its title when that is announced", () => {
  let rooms = listed(SQUARE_ROOMS, { slug: "cafe", title: "cafe" });
  rooms = listed(rooms, { slug: "cafe", title: "Café" });
  assert.equal(rooms.at(-1)?.title, "Café");
});

test("the square's own rooms cannot be announced away", () => {
  assert.equal(listed(SQUARE_ROOMS, { slug: "help", title: "HELP" }), SQUARE_ROOMS);
});

test("the list has a limit", () => {
  let rooms = SQUARE_ROOMS;
  for (let i = 0; i < ROOMS_LIMIT + 5; i++) rooms = listed(rooms, { slug: `r${i}`, title: `r${i}` });
  assert.equal(rooms.length, ROOMS_LIMIT);
});
