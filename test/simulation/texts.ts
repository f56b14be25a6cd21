import type { Random } from "@zocalo/integrity";
import type { Json } from "@zocalo/protocol";

/** JSON texts as they were published. They have to come so, byte for byte. */
export class Texts {
  /** By what `JSON.parse` sees of them; each is published with a number of its own. */
  readonly #byMeaning = new Map<string, string>();

  add(text: string): void {
    this.#byMeaning.set(JSON.stringify(JSON.parse(text)), text);
  }

  /**
   * The text of `data` in the message that brought it; what nobody published is no text of these.
   *
   * @param from where in the message it is at the earliest
   */
  of(data: Json, message: string, from = 0): string {
    const meaning = JSON.stringify(data);
    const text = this.#byMeaning.get(meaning) ?? meaning;
    return message.includes(`"data":${text}`, from) ? text : `${meaning} in ${message}`;
  }
}

/** A text that nobody published yet: `id` is in it. Some are not what `JSON.stringify` would make. */
export function newText(random: Random, id: number): string {
  const pad = "x".repeat(random.chance(0.1) ? 300 : random.below(30));
  return random.pick([
    `{"id":${id},"pad":"${pad}"}`,
    `{ "id": ${id}, "id":${id}, "large":1688888483063664642, "endless":1e400, "pad":"${pad}" }`,
    `{"pad":"${pad}\\u0041\\ud800","z":-0,"one":1.0,"id":${id}}`,
    `["${pad}ñ€", ${id}]`,
  ] as const);
}
