// Listens on a Unix socket until its input ends or it is killed: `unix-listener.ts PATH JSON-OPTIONS`. Tells
// on a line how that went.
import { listen, NetError } from "@zocalo/net";

const [, , path = "", options = "{}"] = process.argv;
try {
  const listener = await listen("unix", path, JSON.parse(options));
  console.log("listening");
  process.stdin.resume().once("end", () => void listener.close());
  for await (const conn of listener) conn.abort();
} catch (error) {
  console.log(error instanceof NetError ? error.code : String(error));
  process.stdin.destroy();
}
