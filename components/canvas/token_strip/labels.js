// What the strip says of the token that is hovered or pinned.

import { samePlace } from "../shared/linked.js";
import { isolated, threeDigits } from "../shared/paint.js";
import { roleOf, weightsOf } from "./weights.js";

export const HINT = {
  free: (unit) => `Hover a ${unit} to see what it looks at; click to pin it.`,
  pinned: (unit) => `Hover another ${unit} to compare; Escape lets go.`,
};

export function sentence(strip, place, weights) {
  const others = labelsOf(strip, roleOf(strip, place) === "query" ? "key" : "query");
  const order = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 4);
  const list = order
    .filter((other) => weights[other] > 0)
    .map((other) => `${isolated(others[other])} ${threeDigits(weights[other])}`)
    .join(",  ");
  const label = labelsOf(strip, place.side)[place.index];
  return `${isolated(label)}  (${place.index})  ${verbOf(strip, place)}  ${list || "nothing"}`;
}

// How much of the pinned token's weight the hovered one has.
export function between(strip) {
  const { pinned, hovered, data } = strip;
  const comparable = pinned && !samePlace(pinned, hovered) && (!data.two || hovered.side === "key");
  const weights = comparable ? weightsOf(strip, pinned) : null;
  if (!weights) return "";
  const label = labelsOf(strip, pinned.side)[pinned.index];
  return `${isolated(label)}  (${pinned.index})  ${verbOf(strip, pinned)} it ${threeDigits(weights[hovered.index])}`;
}

function labelsOf(strip, side) {
  return strip.texts[side === "key" ? "keys" : "queries"].labels;
}

function verbOf(strip, place) {
  return roleOf(strip, place) === "query" ? "attends to" : "is attended to by";
}
