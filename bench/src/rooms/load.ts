// Clients in a process of its own: `rooms.ts` asks it by messages.
import { randomNumbers } from "../room/scenes.ts";
import { Crew } from "./crew.ts";
import { TICKS_PER_SECOND } from "./game.ts";
import type { LoadRequest, Traffic } from "./wire.ts";

const crew = new Crew(TICKS_PER_SECOND);

async function answer(request: LoadRequest): Promise<Traffic> {
  if (request.task === "enter") {
    const { clients, port, mode, seed } = request;
    await crew.enter(clients, port, mode, "udp", randomNumbers(seed), true);
  }
  if (request.task === "leave") await crew.leave();
  return crew.traffic();
}

// What it rejects with ends the process, and who asked learns of that.
process.on("message", (request: LoadRequest) => void answer(request).then((said) => process.send?.(said)));
process.on("disconnect", () => process.exit(0));
