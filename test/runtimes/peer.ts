// `peer.ts listen` echoes, and says where; `peer.ts dial TCP WS` asks. Either ends by itself once all is
// closed.
import { argv } from "node:process";
import { askEchoes, echoes } from "./echo.ts";

const [, , role, tcp = "", ws = ""] = argv;
if (role === "listen") {
  const { places, done } = await echoes();
  console.log(JSON.stringify(places));
  await done;
  console.log("all closed in order");
} else {
  console.log(`${await askEchoes({ tcp, ws })} answers`);
}
