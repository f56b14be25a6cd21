import { Command, CommanderError, type Help, Option } from "commander";
import { addDataCommands } from "./data-commands.ts";
import { EXIT, UserError } from "./exit-code.ts";
import { forPeople, linesForPeople } from "./for-people.ts";
import type { Setting } from "./setting.ts";
import { flagOf, SETTING_NAMES, type SettingName, SETTINGS, variableOf } from "./settings.ts";
import { serve } from "./serve.ts";
import { addTokenCommand } from "./token-command.ts";
import { addTerminalCommands } from "./terminal/commands.ts";
import { VERSION } from "./version.ts";

/**
 * Runs the command line and answers with the exit code; nothing is thrown for what a user can mend.
 *
 * @param args what stands behind `zocalo`.
 */
export async function run(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = new Command("zocalo")
    .description("Sockets for TypeScript, and the square that is built on them.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .exitOverride()
    // What is wrong is quoted, and it may be a name that somebody else has chosen.
    .configureOutput({
      outputError: (text, write) => {
        const oneSentence = text
          .replace(/^error: /, "zocalo: ")
          .replace(
            /\n\((Did you mean .*)\)\n$/,
            (_, words: string) => `; ${words.toLowerCase().slice(0, 3)}${words.slice(3)}\n`,
          );
        write(linesForPeople(oneSentence));
      },
    })
    .configureHelp({ showGlobalOptions: true });
  const serveCommand = program
    .command("serve")
    .description("run the server: page and WebSocket, TCP and UDP in one square")
    .option(
      "--config <FILE>",
      "read settings from this file [ZOCALO_CONFIG, default zocalo.config.json if it is there]",
    )
    .configureHelp({ showGlobalOptions: true, formatItem: termAbove })
    .addHelpText("after", SERVE_NOTES)
    .action(async (options: Readonly<Record<string, string | undefined>>) => {
      const { config, ...flags } = options;
      exitCode = await serve({
        flags,
        configPath: config,
        environment: process.env,
        directory: process.cwd(),
      });
    });
  for (const name of SETTING_NAMES) {
    const option = optionFor(name);
    if (option !== undefined) serveCommand.addOption(option);
  }

  const done = (code: number): void => {
    exitCode = code;
  };
  addDataCommands(program, done);
  addTokenCommand(program);
  addTerminalCommands(program, done);

  try {
    await program.parseAsync(helpedWith(args, program), { from: "user" });
    return exitCode;
  } catch (error) {
    // Help and version have been printed, and so has what is wrong with the command line.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (!(error instanceof UserError)) throw error;
    const lines = error.message.split("\n").map((line) => `zocalo: ${forPeople(line)}\n`);
    process.stderr.write(lines.join(""));
    return error.exitCode;
  }
}

/** `help nosuch` is told what `nosuch` is: that there is no such command. */
function helpedWith(args: readonly string[], program: Command): readonly string[] {
  const [first, name] = args;
  const isKnown =
    name === undefined ||
    name.startsWith("-") ||
    name === "help" ||
    program.commands.some((command) => command.name() === name);
  return first === "help" && !isKnown ? [name] : args;
}

/** Beside flags as long as those of `serve` there is no room for a sentence. */
function termAbove(term: string, _: number, description: string, helper: Help): string {
  const indent = " ".repeat(6);
  const wrapped = helper.boxWrap(description, (helper.helpWidth ?? 80) - indent.length);
  return `  ${term}\n${indent}${wrapped.replaceAll("\n", `\n${indent}`)}`;
}

const SERVE_NOTES = `
PORT is a number to 65535, 0 for any free one, or off. Lists have commas.
A secret has no flag: ${variableOf("tokenSecret")}, or tokenSecret in the file.
Each setting can also be given by its variable, or in the file. More about each:
docs/configuration.md.
Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 could not start, 2 wrong settings,
130 or 143 a second signal cut the stop short.`;

function optionFor(name: SettingName): Option | undefined {
  const { placeholder, what, default: value, isSecret }: Setting = SETTINGS[name];
  if (placeholder === undefined || isSecret === true) return undefined;
  const known = (Array.isArray(value) ? value.join(",") : String(value)) || "none";
  const [sentence] = what.split(/(?<=\.) /);
  return new Option(
    `${flagOf(name)} <${placeholder}>`,
    `${sentence} [${variableOf(name)}, default ${known}]`,
  );
}
