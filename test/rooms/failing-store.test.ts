// Rooms on an engine that fails, or that has kept what nobody can read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub, MemoryEngine } from "@zocalo/hub";
import { roomNamespaces, Rooms } from "@zocalo/room";
import { RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };

test("where each save fails a room goes on, each is told, and closing ends", TIMEOUT, async (t) => {
  const engine = new MemoryEngine();
  const publish = engine.publish.bind(engine);
  engine.publish = async (...given: Parameters<typeof publish>) => {
    if (given[0].startsWith("room-saves:")) throw new Error("the disk is full");
    return publish(...given);
  };
  const server = await serveRooms(t, { engine, rooms: { checkpointMs: 50 } });
  const ana = new RawPlayer(server.session(), square);
  await ana.join();
  await ana.until(() => server.errors.length > 3);
  const tick = ana.reader.newest?.tick ?? 0;
  await ana.until(() => (ana.reader.newest?.tick ?? 0) > tick + 3);
  await server.close();
  assert.ok(server.errors.length > 4);
});

/** A save of one chunk, as it is kept. */
function save(text: string): Uint8Array {
  const content = new TextEncoder().encode(text);
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 1, true);
  view.setUint32(8, 1, true);
  bytes.set(content, 12);
  return bytes;
}

for (const [name, index, errors] of [
  ["an index that is no JSON", "{", 1],
  ["an index that is no list", "7", 1],
  ["rooms that are none, beside one that was never kept", '["a","b","c",7]', 2],
] as const) {
  test(`${name}: it is told, and rooms open`, TIMEOUT, async () => {
    const hub = new Hub({ namespaces: roomNamespaces });
    await hub.publish("room-saves:index", save(index));
    await hub.publish("room-saves:a", save("garbage, not a checkpoint"));
    await hub.publish("room-saves:b", save(""));
    const told: unknown[] = [];
    const rooms = new Rooms(hub, { square: squareRoom }, { onError: (error) => told.push(error) });
    assert.equal(await rooms.open(), 0);
    assert.equal(told.length, errors, String(told));
    rooms.create("square");
    assert.equal(rooms.size, 1);
    await rooms.close();
    await hub.close();
  });
}
