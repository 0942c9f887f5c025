// What the map says: the exact weight of a cell, the sum of a span, what a hand can do.

const HINTS = {
  mouse: "Hover a cell for its weight; scroll to zoom, drag to move, drag along an axis to add up a span.",
  touch: "Tap a cell for its weight; pinch to zoom, drag to move, drag along an axis to add up a span.",
};

function exactKey({ query, key }) {
  return `max/0/${Math.floor(query / TILE_SIDE)}/${Math.floor(key / TILE_SIDE)}`;
}

// Where the pointer rests the weight is fetched in full precision: a tile's half floats lose digits of
// weights below 1e-4, which is much at 16,000 tokens.
async function fetchWeight(map) {
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
function weightSaid(map, { query, key }) {
  const { exact } = map;
  const known = exact?.base === map.store?.base && exact?.query === query && exact.key === key;
  const tile = known ? null : map.store?.kept.get(exactKey({ query, key }));
  if (!known && !tile) return "…";
  const weight = known ? exact.weight : valueOf(tile.bits[(query % TILE_SIDE) * tile.columns + (key % TILE_SIDE)]);
  if (Number.isNaN(weight)) return "not attended";
  return known ? threeDigits(weight) : `≈ ${Number(weight.toPrecision(2))}`;
}

function valueOf(bits) {
  return ((bits >> 10) & 31) === 31 ? NaN : halfValues[bits];
}

function unitName(map, side, index) {
  const name = map.names?.[side]?.[index];
  return name === undefined ? `${index}` : `${isolated(name)} (${index})`;
}

function sentence(map) {
  const { brush, sums, crosshair } = map;
  if (brush) {
    const [first, last] = [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to)];
    const other = brush.side === "queries" ? "keys" : "queries";
    if (!sums) return `${brush.side} ${first} to ${last}: adding up …`;
    if (!map.mostSummed) return `${brush.side} ${first} to ${last} together: nothing`;
    const at = crosshair ? crosshair[other === "keys" ? "key" : "query"] : sums.indexOf(map.mostSummed);
    const most = sums.indexOf(map.mostSummed);
    const value = (index) => `${unitName(map, other, index)} ${threeDigits(sums[index])}`;
    const here = at >= 0 && at !== most ? `; ${value(at)}` : "";
    return `${brush.side} ${first} to ${last} together: most at ${value(most)}${here}. A click or Escape ends the sum.`;
  }
  if (map.waiting) return map.waiting;
  if (!crosshair) return matchMedia("(hover: none)").matches ? HINTS.touch : HINTS.mouse;
  return `${unitName(map, "queries", crosshair.query)} looks at ${unitName(map, "keys", crosshair.key)}: ${weightSaid(map, crosshair)}`;
}
