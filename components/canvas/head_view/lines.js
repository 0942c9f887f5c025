// The lines of a token: the largest weights of each head that it has a part in.

export const OTHER = { query: "key", key: "query" };

// The lines of one token: what a query looks at, or the queries that look at a key.
export function linesOf(view, { side, index }) {
  const { width, heads } = view.data;
  const queries = view.columns.query.count;
  const lines = [];
  for (let head = 0; head < heads.length; head++) {
    if (view.only !== null && view.only !== head) continue;
    const take = (at) => lines.push({
      head, query: Math.floor(at / width) % queries, key: view.keys[at], weight: view.weights[at],
    });
    if (side === "query") {
      const start = (head * queries + index) * width;
      for (let at = start; at < start + width; at++) if (view.keys[at] >= 0) take(at);
    } else {
      const { starts, places } = lookingAt(view, head);
      for (let at = starts[index]; at < starts[index + 1]; at++) take(places[at]);
    }
  }
  return lines;
}

// For each key, where its lines lie; sorted into buckets once, when first asked for.
function lookingAt(view, head) {
  view.looking ??= [];
  if (view.looking[head]) return view.looking[head];
  const size = view.columns.query.count * view.data.width;
  const first = head * size;
  const starts = new Int32Array(view.columns.key.count + 1);
  for (let at = first; at < first + size; at++) if (view.keys[at] >= 0) starts[view.keys[at] + 1]++;
  for (let key = 1; key < starts.length; key++) starts[key] += starts[key - 1];
  const next = starts.slice();
  const places = new Int32Array(starts[starts.length - 1]);
  for (let at = first; at < first + size; at++) if (view.keys[at] >= 0) places[next[view.keys[at]]++] = at;
  view.looking[head] = { starts, places };
  return view.looking[head];
}
