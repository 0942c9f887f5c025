// What each bar of colours means, and the numbers along it.

import { threeDigits } from "../shared/paint.js";
import { CURVES } from "./colours.js";
import { signed } from "./labels.js";

const TICKS_APART = 0.17;  // of a bar

// What a bar shows, and its numbers with their places along it, 0 to 1.
export function barOf(data, kind) {
  const scaled = data.scale === "root" ? "square-root scale" : "";
  if (kind === "difference") {
    const ticks = roundNumbers(data.difference, CURVES[data.scale], 2 * TICKS_APART);
    const negative = ticks.slice(1).reverse().map(({ value, at }) => ({ value: -value, at: -at }));
    return {
      means: [{ text: "← first has more" }, { text: scaled }, { text: "second has more →" }],
      ticks: [...negative, ...ticks].map(({ value, at }) => ({ text: signed(value), at: 0.5 + at / 2 })),
    };
  }
  const ticks = roundNumbers(data.largest, CURVES[data.scale], TICKS_APART);
  const names = kind === "overlay"
    ? [{ text: "first has more", colour: data.hues[0] }, { text: "second", colour: data.hues[1] }, { text: "both", colour: data.agreed }]
    : [{ text: "weight" }];
  return {
    means: [...names, { text: scaled }],
    ticks: ticks.map(({ value, at }) => ({ text: threeDigits(value), at })),
  };
}

// Nothing, the largest, and what is round between them, where there is room on a bar.
export function roundNumbers(largest, curve, apart) {
  const found = [{ value: largest, at: 1 }];
  const decade = Math.floor(Math.log10(largest));
  for (let power = decade; power > decade - 4; power--) {
    for (const digit of [5, 2, 1]) {
      const value = Number(`${digit}e${power}`);
      const at = curve(value / largest);
      if (at <= found.at(-1).at - apart && at >= apart) found.push({ value, at });
    }
  }
  return [{ value: 0, at: 0 }, ...found.reverse()];
}
