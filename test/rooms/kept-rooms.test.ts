// What a process finds that another version of the package has kept, and what is asked once rooms are closed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "@zocalo/hub";
import { RoomError, roomNamespaces, Rooms } from "@zocalo/room";
import { squareRoom } from "./square.ts";

function isRefused(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RoomError && error.code === code;
}

/** Writes the last part of what was kept of a room again, with another text in place of this one. */
async function keepAgain(hub: Hub, id: string, text: string, other: string): Promise<void> {
  const channel = `room-saves:${id}`;
  const { publications } = await hub.history(channel);
  const data = publications.at(-1)?.data;
  assert.ok(data instanceof Uint8Array && text.length === other.length);
  const bytes = Buffer.from(data);
  const at = bytes.lastIndexOf(text);
  assert.ok(at > 0, `${text} is in it`);
  bytes.write(other, at);
  await hub.publish(channel, new Uint8Array(bytes));
}

for (const [what, text, other] of [
  ["a match", '{"form":1,', '{"form":9,'],
  ["what is kept beside it", '"host":{"form":1', '"host":{"form":9'],
] as const) {
  test(`a room is refused where ${what} is of another form: it is told, and others go on`, async () => {
    const hub = new Hub({ namespaces: { ...roomNamespaces } });
    const before = new Rooms(hub, { square: squareRoom });
    await before.open();
    const [older, same] = [before.create("square"), before.create("square")];
    await before.close();
    await keepAgain(hub, older.id, text, other);

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
