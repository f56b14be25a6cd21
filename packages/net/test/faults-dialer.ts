// `faults-dialer.ts ADDRESS COUNT`: opens connections all at once and says so; told anything, closes them all
// at once and says so.
import { dial } from "@zocalo/net";

const [address = "", count = "1"] = process.argv.slice(2);

const conns = await Promise.all(Array.from({ length: Number(count) }, () => dial("tcp", address)));
process.send?.("open");
process.once("message", () => {
  void closeAll();
});

async function closeAll(): Promise<void> {
  // Every third is cut instead, so that both ways of ending come mixed.
  const closing = conns.map((conn, index) => {
    if (index % 3 !== 0) return conn.close();
    conn.abort();
    return Promise.resolve();
  });
  await Promise.all(closing);
  process.send?.("closed");
  process.disconnect();
}
