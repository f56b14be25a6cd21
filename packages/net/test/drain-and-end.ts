// A server that says goodbye to one connection, drains and ends; for `listener.test.ts`.
import { listen } from "@zocalo/net";

const listener = await listen("tcp", "127.0.0.1:0");
console.log(String(listener.addr));
const conn = await listener.accept();
await conn.close();
await listener.drain(null);
console.log("drained");
