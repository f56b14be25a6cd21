// One attacker, for `hostile.ts`. Arguments: which attack, its address, the server's ports. Says on its
// channel to the parent when it is at it, and at each message what it got since the one before.
import { ATTACKS } from "./hostile-attacks.ts";
import { nothing } from "./hostile-line.ts";

const [name = "", address = "", port = "", udpPort = ""] = process.argv.slice(2);
const got = nothing();
process.on("message", () => process.send?.({ ...got }));
process.on("disconnect", () => process.exit());
await ATTACKS[name]?.({ address, port: Number(port), udpPort: Number(udpPort), got }, () => {
  process.send?.("ready");
});
