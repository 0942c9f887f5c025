// The colour of a cell, out of its numbers on both sides.

import { clamp } from "../shared/plane.js";

export const CURVES = { linear: (share) => share, root: Math.sqrt };

function pixel(red, green, blue) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function coloursOf(palette) {
  return Uint32Array.from({ length: 256 }, (_, step) => pixel(...palette.slice(3 * step, 3 * step + 3)));
}

// Each of these takes a cell's numbers of both sides and answers with its pixel. A cell that may not be looked
// at is -Infinity; NaN has no partner, and is left transparent for the hatching behind it.
export function weightInk(data, which) {
  const colours = coloursOf(data.palette);
  const curve = CURVES[data.scale];
  const never = pixel(...data.never);
  return (...sides) => {
    const value = sides[which];
    if (Number.isNaN(value)) return 0;
    if (value === -Infinity) return never;
    return colours[Math.round(255 * curve(clamp(value / data.largest, 0, 1)))];
  };
}

export function differenceInk(data) {
  const colours = coloursOf(data.diverging);
  const curve = CURVES[data.scale];
  const never = pixel(...data.never);
  return (first, second) => {
    const difference = differenceOf(first, second);
    if (Number.isNaN(difference)) return first === second ? never : 0;
    const share = clamp(difference / data.difference, -1, 1);
    return colours[Math.round(127.5 + 127.5 * Math.sign(share) * curve(Math.abs(share)))];
  };
}

// What both have is grey, what one has more is in its hue: as much of both has no hue at all.
export function overlayInk(data) {
  const page = data.palette.slice(0, 3);
  const curve = CURVES[data.scale];
  const never = pixel(...data.never);
  const share = (value) => curve(clamp(value / data.largest, 0, 1));
  return (first, second) => {
    if (Number.isNaN(first) || Number.isNaN(second)) return 0;
    if (first === -Infinity && second === -Infinity) return never;
    const [a, b] = [share(first), share(second)];
    const both = Math.min(a, b);
    const more = Math.max(a, b) - both;
    const hue = data.hues[a > b ? 0 : 1];
    const mixed = (part) => Math.round(page[part] * (1 - both - more) + data.agreed[part] * both + hue[part] * more);
    return pixel(mixed(0), mixed(1), mixed(2));
  };
}

// Second minus first. What may not be looked at has no weight; where neither side may look it is no number,
// and so it is without a partner.
export function differenceOf(first, second) {
  if (first === -Infinity && second === -Infinity) return NaN;
  return Math.max(second, 0) - Math.max(first, 0);
}
