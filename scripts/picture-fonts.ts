import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * What `FONTCONFIG_FILE` is set to for pictures of our pages: a bare server has DejaVu as its system font,
 * and most people's machines have something like Inter.
 */
export function fontsFile(): string {
  const file = join(mkdtempSync(join(tmpdir(), "zocalo-fonts-")), "fonts.conf");
  const prefer = (family: string, preferred: string) =>
    `<match target="pattern"><test name="family" qual="any"><string>${family}</string></test>` +
    `<edit name="family" mode="prepend" binding="strong"><string>${preferred}</string></edit></match>`;
  const rules = [
    prefer("system-ui", "Inter"),
    prefer("sans", "Inter"),
    prefer("sans-serif", "Inter"),
    prefer("DejaVu Sans", "Inter"),
  ];
  writeFileSync(
    file,
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">` +
      `<fontconfig><include>/etc/fonts/fonts.conf</include>${rules.join("")}</fontconfig>`,
  );
  return file;
}
