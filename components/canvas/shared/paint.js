// Shared by the canvas components: half floats, palettes, contrast.

export const halfValues = new Float32Array(65536);
for (let bits = 0; bits < 65536; bits++) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  halfValues[bits] = bits & 32768 ? -size : size;
}

export function halfBits(table) {
  const column = table.getChildAt(0);
  return column.toArray();
}

// A colour for each of the 65,536 half floats, so that painting needs no decoding; signed ones, where there are
// such, lie on both sides of the palette's middle.
export function colourTable(palette, curve, signed = false) {
  const table = new Uint32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const value = Math.min(1, Math.max(signed ? -1 : 0, halfValues[bits] || 0));
    const step = 3 * Math.round(255 * (signed ? signedShare(value, curve) : curve(value)));
    table[bits] = (255 << 24) | (palette[step + 2] << 16) | (palette[step + 1] << 8) | palette[step];
  }
  return table;
}

// The share of a diverging palette that a number takes, 0.5 for 0.
export function signedShare(value, curve) {
  return 0.5 + 0.5 * Math.sign(value) * curve(Math.abs(value));
}

// Letters that are written from the right (Hebrew, Arabic and their neighbours).
const LEFTWARDS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

// A token within a sentence, which must not turn the words around it (Unicode's isolates).
export function isolated(text) {
  return LEFTWARDS.test(text) ? `\u2068${text}\u2069` : text;
}

export function threeDigits(value) {
  return value === 0 ? "0" : Number(value.toPrecision(3)).toString();
}

// Black or white, whichever is easier to read on a colour (WCAG relative luminance).
export function inkOn(red, green, blue) {
  const linear = (part) => {
    const share = part / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const light = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  return light > 0.179 ? "#000" : "#fff";
}
