/** Text that is not sent yet, by name. All tabs share it: who writes last has the last word. */
export interface Drafts {
  /** Resolves with `undefined` if there is none. */
  get(name: string): Promise<string | undefined>;
  /**
   * Keeps `text`, or with `""` nothing. Never rejects.
   *
   * @returns false if it is lost with the page, or longer than `DraftLimits` has it
   */
  set(name: string, text: string): Promise<boolean>;
}

/** How much may be kept. */
export interface DraftLimits {
  /** Drafts; past it the one that was written longest ago is forgotten. Default 100. */
  readonly drafts?: number;
  /** A draft, in UTF-16 code units; a longer one is not kept at all. Default 65,536. */
  readonly draftLength?: number;
}
