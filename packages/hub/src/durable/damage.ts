/** A row, or a whole file, is not what was written. */
export class Damage extends Error {
  /** The row of the channel whose log it is; unset: it is the file. */
  readonly channel: { readonly id: number; readonly name: string } | undefined;

  constructor(what: string, channel?: { readonly id: number; readonly name: string }) {
    super(what);
    this.channel = channel;
  }
}
