// Which colour a weight has, and how far up the palette it lies.

import { colourTable } from "../shared/paint.js";
import { clamp } from "../shared/plane.js";

const LEAST = 1e-4;  // where the logarithmic scale begins

// The share of the palette that a weight takes.
export function curveOf(scale, largest) {
  if (scale === "log")
    return (value) => clamp(1 - Math.log10(Math.max(value, LEAST * largest) / largest) / Math.log10(LEAST), 0, 1);
  return (value) => Math.sqrt(clamp(value / largest, 0, 1));
}

export function mapColours({ palette, scale, never, signed }, largest) {
  const table = colourTable(palette, curveOf(scale, largest), signed);
  const nothing = (255 << 24) | (never[2] << 16) | (never[1] << 8) | never[0];
  // Infinities and what is no number: a cell that may not be looked at.
  for (let bits = 0; bits < 65536; bits++) if (((bits >> 10) & 31) === 31) table[bits] = nothing;
  return table;
}
