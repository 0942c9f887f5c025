// The text as the model sees it, shaded by what the hovered or pinned token looks at. Where one text
// looks at another, both stand here: the queries above, the keys below.

const instances = new WeakMap();
const REST = 60;  // milliseconds
const ROWS_KEPT = 64;
const HINT = {
  free: (unit) => `Hover a ${unit} to see what it looks at; click to pin it.`,
  pinned: (unit) => `Hover another ${unit} to compare; Escape lets go.`,
};

export default function ({ data, parentElement, setTriggerValue }) {
  let strip = instances.get(parentElement);
  if (!strip) {
    strip = build(parentElement);
    instances.set(parentElement, strip);
  }
  strip.send = (pinned) => setTriggerValue("pinned", pinned);
  strip.turn = (direction) => setTriggerValue("direction", direction);
  strip.data = data;
  strip.bits = data.table ? halfBits(data.table) : null;
  strip.pinned = data.pinned === null ? null : { side: "query", index: data.pinned };
  strip.direction = data.keys ? "looks at" : data.direction;
  strip.show();
}

function build(parentElement) {
  const root = parentElement.querySelector(".strip");
  const holders = { query: root.querySelector(".queries"), key: root.querySelector(".keys") };
  const switcher = root.querySelector("[role=group]");
  const readout = { said: root.querySelector(".said"), hint: root.querySelector(".hint") };
  const [from, to] = root.querySelectorAll("button");
  const strip = { linked: [], rows: new Map(), hovered: null, pinned: null, text: null, tokens: { query: [], key: [] } };

  strip.show = () => {
    const { data } = strip;
    if (data.base !== strip.base) strip.rows.clear();
    strip.base = data.base;
    const text = JSON.stringify([data.queries, data.keys]);
    if (text !== strip.text) {
      strip.text = text;
      strip.hovered = null;
      strip.touched = null;
      strip.linked = [];
      strip.tokens.query = fill(holders.query, data.queries);
      holders.key.replaceChildren();
      strip.tokens.key = data.keys ? fill(holders.key, data.keys) : strip.tokens.query;
    }
    root.classList.toggle("two", Boolean(data.keys));
    holders.key.hidden = !data.keys;
    switcher.hidden = Boolean(data.keys);
    from.setAttribute("aria-pressed", strip.direction === "looks at");
    to.setAttribute("aria-pressed", strip.direction === "looked at by");
    shade(strip, readout);
  };
  const pin = (place) => {
    strip.pinned = place;
    strip.send(place?.index ?? -1);
    shade(strip, readout);
  };
  strip.shade = () => shade(strip, readout);
  const hover = (place) => {
    if (same(place, strip.hovered)) return;
    strip.hovered = place;
    shade(strip, readout);
    tellHovered(root, place && { [roleOf(strip, place)]: place.index });
  };
  whenHovered(root, (places) => {
    for (const token of strip.linked) token.classList.remove("linked");
    strip.linked = ["query", "key"]
      .map((side) => strip.tokens[side][places?.[side] ?? -1])
      .filter(Boolean);
    for (const token of strip.linked) token.classList.add("linked");
  });
  for (const [side, holder] of Object.entries(holders)) {
    const placeOf = (event) => {
      const token = event.target.closest(".token");
      return token ? { side, index: Number(token.dataset.index) } : null;
    };
    holder.onmouseover = (event) => hover(placeOf(event));
    holder.onmouseleave = () => hover(null);
    holder.onclick = (event) => {
      const place = placeOf(event);
      if (place && side === "query") pin(same(place, strip.pinned) ? null : place);
    };
    holder.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") pin(null);
      else if (event.key === "Enter" && strip.hovered?.side === "query") pin(strip.hovered);
      else if (step) {
        const tokens = strip.tokens[side];
        const here = strip.hovered ?? strip.pinned;
        const start = here?.side === side ? here.index : step > 0 ? -1 : 1;
        const index = Math.max(0, Math.min(tokens.length - 1, start + step));
        hover({ side, index });
        tokens[index].scrollIntoView({ block: "nearest" });
      } else return;
      event.preventDefault();
    };
  }
  // Letting go works from wherever the focus is, unless something else there takes the key.
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest?.("input, textarea, [role=dialog], [data-baseweb=popover]");
    if (event.key !== "Escape" || event.defaultPrevented || elsewhere) return;
    if (root.isConnected && strip.pinned !== null) pin(null);
  });
  const turn = (direction) => {
    strip.direction = direction;
    strip.turn(direction);
    strip.show();
  };
  from.onclick = () => turn("looks at");
  to.onclick = () => turn("looked at by");
  return strip;
}

function same(one, other) {
  return one?.index === other?.index && one?.side === other?.side;
}

function fill(holder, text) {
  const tokens = text.labels.map((label, index) => {
    const token = document.createElement("span");
    token.className = "token";
    if (text.special[index]) token.classList.add("special");
    else if (index > 0 && !text.starts[index] && !text.special[index - 1]) token.classList.add("piece");
    token.dataset.index = index;
    token.textContent = label;
    token.setAttribute("role", "option");
    return token;
  });
  const pieces = [];
  tokens.forEach((token, index) => {
    // A real space, so that lines break there and right-to-left words keep their order.
    if (index > 0 && text.starts[index]) pieces.push(" ");
    pieces.push(token);
    if (text.breaks[index]) pieces.push(document.createElement("br"));
  });
  holder.replaceChildren(...pieces);
  return tokens;
}

// Whether a place stands for a row (a query) or a column (a key) of the pattern.
function roleOf(strip, place) {
  return strip.data.keys ? place.side : strip.direction === "looks at" ? "query" : "key";
}

// The weights of a row or column: from the whole pattern where it is here, else as sent.
function weightsOf(strip, place) {
  const columns = strip.tokens.key.length;
  if (strip.bits) {
    const [count, at] = roleOf(strip, place) === "query"
      ? [columns, (other) => place.index * columns + other]
      : [strip.tokens.query.length, (other) => other * columns + place.index];
    return Float32Array.from({ length: count }, (_, other) => halfValues[strip.bits[at(other)]]);
  }
  if (place.index === strip.data.pinned && strip.data.line) return Float32Array.from(strip.data.line);
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

function shade(strip, readout) {
  const place = strip.hovered ?? strip.pinned;
  const weights = place && weightsOf(strip, place);
  const lit = place && roleOf(strip, place) === "query" ? "key" : "query";
  const { palette } = strip.data;
  const largest = weights?.reduce((most, one) => Math.max(most, one), 0) || 1;
  for (const side of strip.data.keys ? ["query", "key"] : ["query"]) {
    const shown = weights && (!strip.data.keys || side === lit);
    // Of a long text only what changed is touched.
    const before = (!strip.bits && strip.touched?.[side]) || strip.tokens[side].keys();
    const after = new Set([strip.hovered, strip.pinned].filter((one) => one?.side === side).map((one) => one.index));
    if (shown) weights.forEach((weight, index) => { if (weight > largest / 255) after.add(index); });
    const changed = new Set([...before, ...after]);
    strip.touched = { ...strip.touched, [side]: after };
    changed.forEach((index) => {
      const token = strip.tokens[side][index];
      if (!token) return;
      const here = { side, index };
      token.classList.toggle("pinned", same(here, strip.pinned));
      token.classList.toggle("hovered", same(here, strip.hovered));
      token.setAttribute("aria-selected", same(here, strip.pinned));
      const step = shown ? 3 * Math.round(255 * (weights[index] / largest)) : 0;
      const colour = palette.slice(step, step + 3);
      token.style.backgroundColor = step === 0 ? "" : `rgb(${colour})`;
      token.style.color = step === 0 ? "" : inkOn(...colour);
      token.title = shown ? threeDigits(weights[index]) : "";
    });
  }
  readout.said.textContent = weights ? sentence(strip, place, weights) : "";
  readout.hint.textContent = strip.hovered ? between(strip) : HINT[strip.pinned ? "pinned" : "free"](strip.data.unit);
}

function labelsOf(strip, side) {
  return (side === "key" && strip.data.keys ? strip.data.keys : strip.data.queries).labels;
}

function verbOf(strip, place) {
  return roleOf(strip, place) === "query" ? "looks at" : "is looked at by";
}

function sentence(strip, place, weights) {
  const others = labelsOf(strip, roleOf(strip, place) === "query" ? "key" : "query");
  const order = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 4);
  const list = order
    .filter((other) => weights[other] > 0)
    .map((other) => `${others[other]} ${threeDigits(weights[other])}`)
    .join(",  ");
  const label = labelsOf(strip, place.side)[place.index];
  return `${label}  (${place.index})  ${verbOf(strip, place)}  ${list || "nothing"}`;
}

// How much of the pinned token's weight the hovered one has.
function between(strip) {
  const { pinned, hovered, data } = strip;
  const comparable = pinned && !same(pinned, hovered) && (!data.keys || hovered.side === "key");
  const weights = comparable ? weightsOf(strip, pinned) : null;
  if (!weights) return "";
  const label = labelsOf(strip, pinned.side)[pinned.index];
  return `${label}  (${pinned.index})  ${verbOf(strip, pinned)} it ${threeDigits(weights[hovered.index])}`;
}
