// How tokens are shaded by their weights.

import { samePlace } from "../shared/linked.js";
import { inkOn, threeDigits } from "../shared/paint.js";
import { between, HINT, sentence } from "./labels.js";
import { roleOf, weightsOf } from "./weights.js";

export function shade(strip, readout) {
  const place = strip.hovered ?? strip.pinned;
  const weights = place && weightsOf(strip, place);
  const lit = place && roleOf(strip, place) === "query" ? "key" : "query";
  strip.largest = weights?.reduce((most, one) => Math.max(most, one), 0) || 1;
  for (const side of strip.data.two ? ["query", "key"] : ["query"]) {
    const shown = weights && (!strip.data.two || side === lit) ? weights : null;
    strip.weights[side] = shown;
    // Only what changed is touched.
    const after = new Set([strip.hovered, strip.pinned].filter((one) => one?.side === side).map((one) => one.index));
    shown?.forEach((weight, index) => { if (weight > 0) after.add(index); });
    for (const index of new Set([...(strip.touched?.[side] ?? []), ...after])) {
      const token = strip.tokens[side].at(index);
      if (token) dress(strip, side, index, token);
    }
    strip.touched = { ...strip.touched, [side]: after };
  }
  readout.said.textContent = weights ? sentence(strip, place, weights) : "";
  readout.hint.textContent = strip.hovered ? between(strip) : HINT[strip.pinned ? "pinned" : "free"](strip.data.unit);
}

// What a token looks like now; one that is made late asks as well.
export function dress(strip, side, index, token) {
  const here = { side, index };
  const weight = strip.weights[side]?.[index] ?? null;
  token.classList.toggle("pinned", samePlace(here, strip.pinned));
  token.classList.toggle("hovered", samePlace(here, strip.hovered));
  token.setAttribute("aria-selected", samePlace(here, strip.pinned));
  const step = 3 * Math.round(255 * ((weight ?? 0) / strip.largest));
  const colour = strip.data.palette.slice(step, step + 3);
  token.style.backgroundColor = step ? `rgb(${colour})` : "";
  token.style.color = step ? inkOn(...colour) : "";
  token.title = weight === null ? "" : threeDigits(weight);
}
