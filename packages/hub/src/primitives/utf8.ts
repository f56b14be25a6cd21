/** How many bytes `text` takes in UTF-8; a lone surrogate counts as the three bytes of U+FFFD. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (isHigh(unit) && isLow(text.charCodeAt(index + 1))) {
      bytes += 2; // four bytes for the two units of a pair
      index++;
    } else bytes += 2;
  }
  return bytes;
}

/**
 * True if `text` takes at most `most` bytes in UTF-8; counts only when the answer is not plain from the
 * length.
 */
export function fitsInBytes(text: string, most: number): boolean {
  if (text.length * 3 <= most) return true;
  return text.length <= most && utf8Length(text) <= most;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
