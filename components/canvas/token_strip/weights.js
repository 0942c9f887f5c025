// The weights of a row or a column: out of the whole pattern, or fetched where the pointer rests.

import { fetchFloats } from "../shared/tile_store.js";

const REST = 60;  // milliseconds
const ROWS_KEPT = 64;

// Whether a place stands for a row (a query) or a column (a key) of the pattern.
export function roleOf(strip, place) {
  return strip.data.two ? place.side : strip.direction === "looks at" ? "query" : "key";
}

// The weights of a row or column: from the whole pattern where it is here, else as sent.
export function weightsOf(strip, place) {
  const columns = strip.tokens.key.length;
  if (strip.pattern) {
    const [count, at] = roleOf(strip, place) === "query"
      ? [columns, (other) => place.index * columns + other]
      : [strip.tokens.query.length, (other) => other * columns + place.index];
    return Float32Array.from({ length: count }, (_, other) => strip.pattern[at(other)]);
  }
  if (!strip.data.base) return null;
  const role = roleOf(strip, place);
  const row = strip.rows.get(`${role}/${place.index}`);
  if (!row) askFor(strip, role, place.index);
  return row ?? null;
}

// Rows and columns of a long pattern are fetched where the pointer rests.
function askFor(strip, role, index) {
  clearTimeout(strip.asking);
  strip.asking = setTimeout(async () => {
    const { base } = strip.data;
    const side = role === "query" ? "queries" : "keys";
    const url = new URL(`${base}/sums/${side}/${index}/${index + 1}`, document.baseURI);
    const row = await fetchFloats(url).catch(() => null);  // the map says what is wrong
    if (!row || base !== strip.data.base) return;
    if (strip.rows.size >= ROWS_KEPT) strip.rows.clear();
    strip.rows.set(`${role}/${index}`, row);
    strip.shade();
  }, REST);
}
