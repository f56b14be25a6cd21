import { connect, createServer, type Socket } from "node:net";
import type { Link } from "./links.ts";
import type { TransportName } from "./links.ts";

let measured: Promise<number> | undefined;

/** How many bytes two TCP sockets of this system take whose reader never reads. */
function tcpCapacity(): Promise<number> {
  return (measured ??= measure());
}

async function measure(): Promise<number> {
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening");
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const socket = connect(address.port, "127.0.0.1");
  const other = await accepted;
  other.on("error", () => undefined);
  let taken = 0;
  const chunk = Buffer.alloc(65_536);
  let quiet = 0;
  const write = (): void => {
    socket.write(chunk, (error) => {
      if (error) return;
      taken += chunk.length;
      quiet = 0;
      write();
    });
  };
  write();
  while (quiet++ < 10) await new Promise((resolve) => setTimeout(resolve, 5));
  socket.on("error", () => undefined);
  socket.destroy();
  other.destroy();
  server.close();
  return taken;
}

/** What may wait in streams of Node's and in one step of ours, in bytes. */
const SLACK_BYTES = 786_432;

/** Most bytes that may have been taken although the far end, which never reads, got none of them. */
export async function holdBytes(transport: TransportName): Promise<number> {
  switch (transport) {
    case "pipe":
    case "duplex":
    case "unix":
      return SLACK_BYTES;
    case "holding duplex":
      return SLACK_BYTES * 2;
    default:
      // The system gives a socket more room while memory is not scarce.
      return (await tcpCapacity()) * 1.25 + SLACK_BYTES;
  }
}

/** How much a writer must have for a never reading far end, to meet the limit surely. */
export async function tooMuchFor({ transport }: { transport: TransportName }): Promise<number> {
  return Math.ceil((await holdBytes(transport)) * 1.3);
}

export type { Link };
