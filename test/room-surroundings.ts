// What the examples in the comments of @zocalo/room take for given: a game, a server with rooms, a session,
// and all that the text around an example speaks of. Everything is real; lanes and plays are closed with it.
import { connect } from "@zocalo/client";
import { Hub, MemoryEngine } from "@zocalo/hub";
import { dial, hostOf, lines, listen, listenPacket } from "@zocalo/net";
import * as room from "@zocalo/room";

const { bool, defineGame, defineRoom, oneOf, reference, vector } = room;

const at = vector(2, { min: 0, max: 100, precision: 0.01, moves: true });
const game = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: { player: { at, side: oneOf("sun", "moon") }, mine: { at, by: reference() } },
  input: { move: vector(2, { min: -1, max: 1, precision: 0.01 }), fire: bool() },
  apply(player, { move }) {
    player.at.x += move.x;
    player.at.y += move.y;
  },
});
const definition = defineRoom({
  game,
  seats: 10,
  join: ({ world }) => world.add("player", { at: [50, 50] }),
});
const duel = defineRoom({ ...definition, seats: 1 });

export type Surroundings = Awaited<ReturnType<typeof surroundings>>;

/**
 * Makes them anew, for one example.
 *
 * @param closes is given how to close them, in the order of their making.
 */
export async function surroundings(closes: (() => unknown)[]) {
  const fail = (error: unknown): void => {
    throw error;
  };
  const served = new Hub({ namespaces: room.roomNamespaces });
  closes.push(() => served.close());
  const rooms = new room.Rooms(served, { arena: definition, duel }, { onError: fail });
  closes.push(() => rooms.close());
  await rooms.open();
  const listener = await listen("tcp", "127.0.0.1:0");
  closes.push(() => listener.close());
  void served.serve(lines(listener));
  const session = connect(String(listener.addr), {
    dial: async (address, options) => lines(await dial("tcp", address, options)),
  });
  closes.push(() => session.close());

  const hub = new Hub({ namespaces: room.roomNamespaces });
  closes.push(() => hub.close());
  const lanes = room.udpLanes(await listenPacket("udp", "127.0.0.1:0"));
  closes.push(() => lanes.close());
  const ticket = lanes.open("127.0.0.1")?.ticket;
  if (ticket === undefined) throw new Error("there is no lane");

  const world = game.world();
  const player = world.add("player", { at: [10, 10] });
  const snapshots = new room.Snapshots(world);
  const match = new room.Match(definition, { id: "test", mode: "arena", seed: 7 });
  const checkpoint = room.saveMatch(match);
  const recording = new room.Recording(checkpoint);
  const copy = room.restoreMatch(definition, checkpoint).match;
  copy.writer = recording;
  for (let tick = 1; tick <= 3; tick++) copy.run(tick, { commands: [], take: () => undefined });
  const clock: room.Clock = {
    uptime: () => performance.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  };
  return {
    ...room,
    // What an example opens and leaves open.
    async join(...args: Parameters<typeof joined>) {
      const play = await joined(...args);
      closes.push(() => play.leave());
      return play;
    },
    dialLane(...args: Parameters<typeof room.dialLane>) {
      const lane = room.dialLane(...args);
      closes.push(() => lane.close());
      return lane;
    },
    udpLanes(...args: Parameters<typeof room.udpLanes>) {
      const opened = room.udpLanes(...args);
      closes.push(() => opened.close());
      return opened;
    },
    /** On any free port. */
    listenPacket: (network: "udp", _address: string) => listenPacket(network, "127.0.0.1:0"),
    Hub,
    hostOf,
    game,
    definition,
    session,
    hub,
    engine: new MemoryEngine(),
    ticket,
    world,
    player,
    snapshots,
    match,
    checkpoint,
    recorded: recording.bytes(),
    clock,
    ticker: new room.Ticker({ clock, ticksPerSecond: 30 }, () => undefined),
    lane: room.sessionLane(session, { onError: fail }),
    reader: new room.SnapshotReader(game.layout),
    sender: new room.InputSender(game.input.cells),
    bytes: new Uint8Array(room.DEFAULT_BUDGET_BYTES),
    context: { session: "of somebody" },
    offer: "",
    peer: { addr: listener.addr },
    keys: { right: true },
    better: async (): Promise<room.Lane | undefined> => await Promise.resolve(undefined),
    onError: fail,
    show: (_bytes: Uint8Array): void => undefined,
    drawPlayer: (_player: { readonly at: room.Vector2 }): void => undefined,
    requestAnimationFrame: (_draw: () => void): void => undefined,
  };
}

/** `join`, of this game. */
const joined = (session: room.RoomSession, of: typeof game, options: room.JoinOptions) =>
  room.join(session, of, options);
