// A ticket names the process that has its place, and where that is, as behind a balancer a page has to know.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { test, type TestContext } from "node:test";
import { connect, type Session } from "@zocalo/client";
import { findMatch, join, type RoomTicket } from "@zocalo/room";
import * as websocket from "@zocalo/websocket";
import { RoomProgram } from "./programs.ts";
import { square } from "./square.ts";

/** Two processes of rooms, and sessions with whichever address is told. */
async function twoProcesses(t: TestContext) {
  const opened: RoomProgram[] = [];
  const sessions: Session[] = [];
  const directories: string[] = [];
  t.after(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await Promise.all(opened.map((program) => program[Symbol.asyncDispose]()));
    for (const directory of directories) await rm(directory, { recursive: true, force: true });
  });
  const begin = async (): Promise<string> => {
    const directory = await mkdtemp(path(tmpdir(), "rooms-"));
    directories.push(directory);
    const program = new RoomProgram("server", directory);
    opened.push(program);
    return `ws://${await program.says()}`;
  };
  const session = (address: string): Session => {
    const one = connect(address, { dial: websocket.dial });
    sessions.push(one);
    return one;
  };
  const [first, second] = await Promise.all([begin(), begin()]);
  return { first, second, session };
}

test("a page that is led to another process finds its place by the address of its ticket, also if it was matched", {
  timeout: 120_000,
}, async (t) => {
  const { first, second, session } = await twoProcesses(t);
  const before = session(first);
  const play = await join(before, square, { mode: "square", name: "Ana" });
  const { seat, process } = play.room;
  const ticket = JSON.parse(JSON.stringify(play.ticket)) as RoomTicket; // As `sessionStorage` has it.
  assert.deepEqual([ticket.address, ticket.process], [first, process]);
  await before.close();

  const elsewhere = session(second);
  await assert.rejects(join(elsewhere, square, { mode: "square", ticket }), { code: "no_room" });
  const other = await join(elsewhere, square, { mode: "square" });
  assert.notEqual(other.ticket.process, process);
  assert.equal(other.ticket.address, second);

  const again = await join(session(ticket.address ?? second), square, { mode: "square", ticket });
  assert.deepEqual([again.room.isReturn, again.room.seat, again.room.process], [true, seat, process]);

  await join(session(first), square, { mode: "square", name: "Ben" }); // A match with a free seat.
  const matched = await findMatch(session(first), square, { mode: "square", name: "Ana" });
  assert.equal(matched.address, first);
  await assert.rejects(join(session(second), square, { mode: "square", ticket: matched }), {
    code: "no_room",
  });
  const found = await join(session(matched.address ?? second), square, { mode: "square", ticket: matched });
  assert.deepEqual([found.room.room, found.room.process], [matched.room, matched.process]);
});
