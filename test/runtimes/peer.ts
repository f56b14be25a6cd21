// `peer.ts listen` echoes, and says where; `peer.ts dial TCP WS` asks; `peer.ts square` is a hub and its
// clients. Each ends by itself once all is closed.
import { argv } from "node:process";
import { askEchoes, echoes } from "./echo.ts";
import { heardInSquare } from "./square.ts";

const [, , role, tcp = "", ws = ""] = argv;
if (role === "listen") {
  const { places, done } = await echoes();
  console.log(JSON.stringify(places));
  await done;
  console.log("all closed in order");
} else if (role === "square") {
  console.log(await heardInSquare());
} else {
  console.log(`${await askEchoes({ tcp, ws })} answers`);
}
