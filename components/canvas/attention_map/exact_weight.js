// The weight of one cell: nearly out of a tile, in full precision once it is fetched.

import { halfValues, threeDigits } from "../shared/paint.js";
import { fetchJson, TILE_SIDE } from "../shared/tile_store.js";

function exactKey({ query, key }) {
  return `max/0/${Math.floor(query / TILE_SIDE)}/${Math.floor(key / TILE_SIDE)}`;
}

// Where the pointer rests the weight is fetched in full precision: a tile's half floats lose digits of
// weights below 1e-4, which is much at 16,000 tokens.
export async function fetchWeight(map) {
  const { store, crosshair } = map;
  if (!store || !crosshair) return;
  const { query, key } = crosshair;
  try {
    const { weight } = await fetchJson(`${store.base}/weight/${query}/${key}`);
    if (store !== map.store) return;
    map.exact = { base: store.base, query, key, weight: weight ?? NaN };
  } catch (error) {
    if (store === map.store) map.complain(error.message);
  }
  map.say();
}

// What is said of one cell's weight. Until it has come in full, a tile tells it nearly: of its half floats
// two digits are as good as right.
export function weightSaid(map, { query, key }) {
  const { exact } = map;
  const known = exact?.base === map.store?.base && exact?.query === query && exact.key === key;
  const tile = known ? null : map.store?.kept.get(exactKey({ query, key }));
  if (!known && !tile) return "…";
  const { signed, unit, unitName } = map.data ?? {};
  const share = known ? NaN : valueOf(tile.bits[(query % TILE_SIDE) * tile.columns + (key % TILE_SIDE)]);
  // A tile holds shares of the largest where that is no 1.
  const weight = known ? exact.weight : share * (unit ?? 1);
  if (Number.isNaN(weight)) return "not attended";
  const said = `${signed && weight > 0 ? "+" : ""}${known ? threeDigits(weight) : Number(weight.toPrecision(2))}`;
  return `${known ? "" : "≈ "}${said}${unitName ? ` ${unitName}` : ""}`;
}

function valueOf(bits) {
  return ((bits >> 10) & 31) === 31 ? NaN : halfValues[bits];
}
