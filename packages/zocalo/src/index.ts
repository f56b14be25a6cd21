export { EXIT, UserError } from "./exit-code.ts";
export { createLog, type Logger, type LogOutput } from "./log.ts";
export { type Pages, readPages } from "./pages.ts";
export { readSettings, type SettingSources } from "./read-settings.ts";
export { type OpenPorts, Server, type ServerParts } from "./server.ts";
export type { Setting, Port } from "./setting.ts";
export { type SettingName, SETTINGS, type Settings } from "./settings.ts";
