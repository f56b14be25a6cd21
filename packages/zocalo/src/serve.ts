import { fileURLToPath } from "node:url";
import { banner } from "./banner.ts";
import { hasColors } from "./colors.ts";
import { EXIT } from "./exit-code.ts";
import { createLog } from "./log.ts";
import { readPages } from "./pages.ts";
import { readSettings, type SettingSources } from "./read-settings.ts";
import { loadRoomModes } from "./room-modes.ts";
import { Server } from "./server.ts";
import { StopSignals } from "./stop-signal.ts";
import { VERSION } from "./version.ts";

/** The built pages: beside `dist` as beside `src`. */
const PLAZA = fileURLToPath(new URL("../pages/plaza", import.meta.url));
const ARENA = fileURLToPath(new URL("../pages/arena", import.meta.url));

/**
 * `zocalo serve`: runs a server until a signal stops it.
 *
 * @returns the exit code.
 * @throws UserError for wrong settings, or a door that cannot be opened.
 */
export async function serve(sources: SettingSources): Promise<number> {
  const settings = readSettings(sources);
  const log = createLog(settings);
  // Whoever reads the banner may go (`zocalo serve | head`); the server stays.
  process.stdout.on("error", () => undefined);
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "broke down");
    process.exit(EXIT.failed);
  });

  using signals = new StopSignals(process, (code) => process.exit(code));
  const plaza = readPages(PLAZA);
  const arena = settings.arena === "on" ? readPages(ARENA, "/arena/") : undefined;
  const pages = plaza && new Map([...plaza, ...(arena ?? [])]);
  const modes = await loadRoomModes(settings, sources.directory);
  const server = await Server.open(settings, { pages, modes, log });
  const { ports } = server;
  process.stdout.write(
    banner({
      version: VERSION,
      host: settings.host,
      ports,
      hasPage: pages !== undefined,
      hasArena: pages !== undefined && arena !== undefined,
      hasColors: hasColors(process.stdout),
    }),
  );
  const signal = await signals.first;
  log.info({ signal }, "stopping");
  await server.stop();
  log.info("stopped");
  return EXIT.ok;
}
