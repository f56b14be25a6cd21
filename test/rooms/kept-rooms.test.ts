// What a process finds that another version of the package has kept, and what is asked once rooms are closed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "@zocalo/hub";
import { RoomError, roomNamespaces, Rooms } from "@zocalo/room";
import { squareRoom } from "./square.ts";

function isRefused(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RoomError && error.code === code;
}

/** Writes the last part of what was kept of a room again, with a 9 for the digit at the end of `form`. */
async function keepAgain(hub: Hub, id: string, form: RegExp): Promise<void> {
  const channel = `room-saves:${id}`;
  const { publications } = await hub.history(channel);
  const data = publications.at(-1)?.data;
  assert.ok(data instanceof Uint8Array);
  const bytes = Buffer.from(data);
  const found = form.exec(bytes.toString("latin1"));
  assert.ok(found !== null, `${form} is in it`);
  bytes.write("9", found.index + found[0].length - 1);
  await hub.publish(channel, new Uint8Array(bytes));
}

for (const [what, form] of [
  ["a match", /(?<!"host":)\{"form":\d/],
  ["what is kept beside it", /"host":\{"form":\d/],
] as const) {
  test(`a room is refused where ${what} is of another form: it is told, and others go on`, async () => {
    const hub = new Hub({ namespaces: { ...roomNamespaces } });
    const before = new Rooms(hub, { square: squareRoom });
    await before.open();
    const [older, same] = [before.create("square"), before.create("square")];
    await before.close();
    await keepAgain(hub, older.id, form);

    const errors: unknown[] = [];
    const after = new Rooms(hub, { square: squareRoom }, { onError: (error) => errors.push(error) });
    assert.equal(await after.open(), 1);
    assert.equal(after.get(older.id), undefined);
    assert.equal(after.get(same.id)?.id, same.id);
    assert.equal(errors.length, 1);
    assert.ok(isRefused("invalid_value")(errors[0]), String(errors[0]));
    await after.close();
    await hub.close();
  });
}

test("no room is made once rooms are closed", async () => {
  const hub = new Hub({ namespaces: { ...roomNamespaces } });
  const rooms = new Rooms(hub, { square: squareRoom });
  await rooms.open();
  rooms.create("square");
  const closing = rooms.close();
  assert.throws(() => rooms.create("square"), isRefused("ended"));
  await closing;
  assert.throws(() => rooms.create("square"), isRefused("ended"));
  await hub.close();
});
