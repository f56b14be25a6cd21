import type { Case } from "./case.ts";
import { closeCases } from "./cases-close.ts";
import { deflateCases } from "./cases-deflate.ts";
import { framingCases } from "./cases-framing.ts";
import { loadCases } from "./cases-load.ts";
import { negotiationCases } from "./cases-negotiation.ts";
import { randomCases } from "./cases-random.ts";
import { textCases } from "./cases-text.ts";
import type { Subject } from "./subjects.ts";

/** The complete list. */
export const allCases: readonly Case[] = [
  ...framingCases,
  ...textCases,
  ...closeCases,
  ...loadCases,
  ...deflateCases,
  ...negotiationCases,
  ...randomCases,
];

/** What sections are about, by the first part of a case's id. */
export const SECTIONS: Readonly<Record<string, string>> = {
  "1": "framing",
  "2": "ping and pong",
  "3": "reserved bits",
  "4": "opcodes",
  "5": "fragmentation",
  "6": "UTF-8",
  "7": "closing",
  "9": "limits and load",
  "10": "small frames",
  "12": "compression, data",
  "13": "compression, negotiation and windows",
  "14": "frames harmed at random",
};

export function sectionOf({ id }: Case): string {
  return id.split(".")[0] ?? "";
}

/** The cases that mean something to this subject. */
export function casesFor({ role, isCompressing }: Pick<Subject, "role" | "isCompressing">): Case[] {
  return allCases.filter(
    ({ subject, needsCompression, needsPlain }) =>
      (subject === undefined || subject === role) && !(isCompressing ? needsPlain : needsCompression),
  );
}
