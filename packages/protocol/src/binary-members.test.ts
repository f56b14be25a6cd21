// Walks the protocol's own definitions: what they have, the binary form has, too.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { anyCommand, anyServerMessage } from "../test/any-message.ts";
import { decodeBinaryCommand, encodeBinaryCommand, encodeBinaryMessage, toJsonMessage } from "./binary.ts";
import { MEMBERS, type Member, TYPES } from "./binary-members.ts";
import { encodeCommand, encodeServerMessage } from "./codec.ts";

const definitions = ["command-message.ts", "message.ts"]
  .map((file) => readFileSync(new URL(file, import.meta.url), "utf8"))
  .join("\n");
/** What decoding adds, and never travels. */
const ADDED = new Set(["json", "infoJson"]);

/** Each member that an interface declares, with its type. */
const declared = [...definitions.matchAll(/^ {2}readonly (\w+)\??: (.+);$/gm)]
  .map(([, name = "", type = ""]) => ({ name, type }))
  .filter(({ name }) => !ADDED.has(name));
const objects = [...definitions.matchAll(/^export interface (\w+)/gm)].map(([, name]) => name);

/** What carries a value of this type. */
function formOf(declared: string): Omit<Member, "number"> {
  const type = declared.replace(" | undefined", "");
  if (type === "number") return { numberAs: "number" };
  if (type === "boolean" || type === "true") return { numberAs: "boolean" };
  if (type === "string" || type === "ErrorCode" || type.startsWith('"')) return { bytesAs: "text" };
  if (type === "JsonObject" || type === "Data") return { bytesAs: "json" };
  if (type.endsWith("[]")) return { bytesAs: "array" };
  assert.ok(objects.includes(type), `message.ts has a type that this test does not know: ${type}`);
  return { bytesAs: "object" };
}

/** Every name in a message and in its objects, but not in what is published. */
function namesIn(value: unknown, names: Set<string>): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) for (const item of value) namesIn(item, names);
  else
    for (const [name, part] of Object.entries(value)) {
      names.add(name);
      if (name !== "data" && name !== "info") namesIn(part, names);
    }
}

test("every member that a message has, has a number, and its value a form", () => {
  assert.ok(declared.length > 60, "the definitions were found");
  for (const { name, type } of declared) {
    const member: Member | undefined = new Map<string, Member>(Object.entries(MEMBERS)).get(name);
    assert.ok(
      member,
      `"${name}" has no binary form: add it to binary-members.ts and docs/protocol-binary.md`,
    );
    const { number: _, ...carried } = member;
    assert.deepEqual({ ...carried, ...formOf(type) }, carried, `${name}: ${type}`);
  }
  const names = new Set(declared.map(({ name }) => name));
  for (const name of Object.keys(MEMBERS)) assert.ok(names.has(name) || name === "bytes", `${name} is none`);
});

test("every type that a message has, has a number", () => {
  const literals = declared.filter(({ name }) => name === "type").flatMap(({ type }) => type.split(" | "));
  assert.deepEqual(
    new Set(literals.map((literal) => JSON.parse(literal) as string)),
    new Set(Object.keys(TYPES)),
  );
});

test("the messages that the tests try have every type and every member", () => {
  const [types, names] = [new Set<string>(), new Set<string>()];
  const samples = fc.sample(fc.oneof(anyCommand, anyServerMessage), { numRuns: 5_000, seed: 11 });
  for (const message of samples) {
    types.add(message.type);
    namesIn(message, names);
  }
  assert.deepEqual(types, new Set(Object.keys(TYPES)));
  assert.deepEqual(new Set([...names, "bytes"]), new Set(Object.keys(MEMBERS)));
});

test("no member is lost from one form to the other and back", () => {
  const back = (bytes: Uint8Array): unknown => JSON.parse(toJsonMessage(bytes) ?? "");
  fc.assert(
    fc.property(anyServerMessage, (message) => {
      assert.deepEqual(back(encodeBinaryMessage(message)), JSON.parse(encodeServerMessage(message)));
    }),
  );
  fc.assert(
    fc.property(anyCommand, (command) => {
      const bytes = encodeBinaryCommand(command);
      assert.deepEqual(back(bytes), JSON.parse(encodeCommand(command)));
      const read = decodeBinaryCommand(bytes, 1e6);
      assert.deepEqual(decodeBinaryCommand(encodeBinaryCommand(read), 1e6), read);
    }),
  );
});
