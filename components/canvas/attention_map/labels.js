// What the map says: names of units, the sum of a span, what a hand can do.

import { isolated, threeDigits } from "../shared/paint.js";
import { weightSaid } from "./exact_weight.js";

// What is said of a cell of effects instead.
const EFFECT_HINTS = {
  mouse: "Hover a cell for what its weight does; scroll to zoom, drag to move, drag along an axis to add up a span.",
  touch: "Tap a cell for what its weight does; pinch to zoom, drag to move, drag along an axis to add up a span.",
};

const HINTS = {
  mouse: "Hover a cell for its weight; scroll to zoom, drag to move, drag along an axis to add up a span.",
  touch: "Tap a cell for its weight; pinch to zoom, drag to move, drag along an axis to add up a span.",
};

export function unitName(map, side, index) {
  const name = map.names?.[side]?.[index];
  return name === undefined ? `${index}` : `${isolated(name)} (${index})`;
}

export function sentence(map) {
  const { brush, sums, crosshair } = map;
  if (brush) {
    const [first, last] = [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to)];
    const other = brush.side === "queries" ? "keys" : "queries";
    if (!sums) return `${brush.side} ${first} to ${last}: adding up …`;
    if (!map.mostSummed) return `${brush.side} ${first} to ${last} together: nothing`;
    const most = sums.findIndex((one) => Math.abs(one) === map.mostSummed);
    const at = crosshair ? crosshair[other === "keys" ? "key" : "query"] : most;
    const value = (index) => `${unitName(map, other, index)} ${threeDigits(sums[index])}`;
    const here = at >= 0 && at !== most ? `; ${value(at)}` : "";
    return `${brush.side} ${first} to ${last} together: most at ${value(most)}${here}. A click or Escape ends the sum.`;
  }
  if (map.waiting) return map.waiting;
  const effect = map.data?.label === "effect";
  const hints = effect ? EFFECT_HINTS : HINTS;
  if (!crosshair) return matchMedia("(hover: none)").matches ? hints.touch : hints.mouse;
  const said = effect ? `what this weight does: ${weightSaid(map, crosshair)}` : weightSaid(map, crosshair);
  return `${unitName(map, "queries", crosshair.query)} attends to ${unitName(map, "keys", crosshair.key)}${effect ? "; " : ": "}${said}`;
}
