// Opens the store in a directory, and is killed before a statement of it:
// `durable-migrator.ts DIRECTORY STATEMENT`. Prints how many there were, if it came to its end.
import { defaultDurableOptions } from "../src/durable/durable.ts";
import { machineClock } from "../src/durable/moment.ts";
import { type Database, findSqlite, type Statement } from "../src/durable/sqlite.ts";
import { Store } from "../src/durable/store.ts";

const [directory = "", last = ""] = process.argv.slice(2);
const sqlite = findSqlite();
let statements = 0;

function step<T>(carryOut: () => T): T {
  if (++statements === Number(last)) process.kill(process.pid, "SIGKILL");
  return carryOut();
}

function killedIn(database: Database): Database {
  return {
    exec: (sql) => step(() => database.exec(sql)),
    prepare(sql): Statement {
      const statement = database.prepare(sql);
      return {
        run: (...values) => step(() => statement.run(...values)),
        get: (...values) => step(() => statement.get(...values)),
        all: (...values) => step(() => statement.all(...values)),
      };
    },
    close: () => database.close(),
  };
}

const clock = machineClock();
const now = { wall: Math.round(clock.wall()), uptime: Math.round(clock.uptime()) };
const store = new Store(
  (path) => killedIn(sqlite(path)),
  { ...defaultDurableOptions, directory },
  clock.boot,
  now,
);
store.close(now);
console.log(statements);
