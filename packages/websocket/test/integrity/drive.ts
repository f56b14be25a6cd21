process.env["ZOCALO_POISON"] ??= "1";

const { command } = await import("@zocalo/integrity");
const { makeScenarios } = await import("./scenarios.ts");

const { scenarios } = await makeScenarios();
await command("websocket", scenarios, process.argv.slice(2));
