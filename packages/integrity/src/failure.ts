/** A case has shown that something is not as promised. */
export class IntegrityFailure extends Error {
  override readonly name = "IntegrityFailure";
}

/** @throws IntegrityFailure unless `claim` holds. */
export function must(claim: boolean, otherwise: () => string): asserts claim {
  if (!claim) throw new IntegrityFailure(otherwise());
}

/** The `code` of an error, or its text. */
export function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" ? code : String(error);
}
