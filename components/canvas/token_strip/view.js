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
  strip.pattern = data.table ? data.table.getChildAt(0).toArray() : null;
  strip.pinned = data.pinned === null ? null : { side: "query", index: data.pinned };
  strip.direction = data.two ? "looks at" : data.direction;
  strip.show();
  document.addEventListener("keydown", strip.letGo);
  return () => {
    document.removeEventListener("keydown", strip.letGo);
    clearTimeout(strip.asking);
  };
}

function build(parentElement) {
  const root = parentElement.querySelector(".strip");
  const holders = { query: root.querySelector(".queries"), key: root.querySelector(".keys") };
  const switcher = root.querySelector("[role=group]");
  const readout = { said: root.querySelector(".said"), hint: root.querySelector(".hint") };
  const [from, to] = root.querySelectorAll("button");
  const strip = { linked: [], rows: new Map(), hovered: null, pinned: null, text: null, tokens: {}, weights: {} };

  strip.show = () => {
    const { data } = strip;
    if (data.base !== strip.base) strip.rows.clear();
    strip.base = data.base;
    const text = data.units ?? JSON.stringify(data.texts);
    if (text !== strip.text) {
      strip.text = text;
      if (data.units) fetchTexts(strip, data.units, holders);
      else strip.lay(data.texts);
    }
    root.classList.toggle("two", data.two);
    holders.key.hidden = !data.two;
    switcher.hidden = data.two;
    from.setAttribute("aria-pressed", strip.direction === "looks at");
    to.setAttribute("aria-pressed", strip.direction === "looked at by");
    strip.shade();
  };
  strip.lay = (texts) => {
    for (const text of Object.values(strip.tokens)) text.leave();
    Object.assign(strip, { texts, hovered: null, touched: null, linked: [], tokens: {}, weights: {} });
    holders.key.replaceChildren();
    const laid = (side, text) => new TokenText(holders[side], text, (token, index) => dress(strip, side, index, token));
    strip.tokens.query = laid("query", texts.queries);
    strip.tokens.key = strip.data.two ? laid("key", texts.keys) : strip.tokens.query;
    strip.shade();
  };
  const pin = (place) => {
    strip.pinned = place;
    strip.send(place?.index ?? -1);
    strip.shade();
  };
  strip.shade = () => { if (strip.texts) shade(strip, readout); };
  const hover = (place) => {
    if (same(place, strip.hovered)) return;
    strip.hovered = place;
    strip.shade();
    tellHovered(root, place && { [roleOf(strip, place)]: place.index });
  };
  whenHovered(root, (places) => {
    for (const token of strip.linked) token.classList.remove("linked");
    strip.linked = ["query", "key"]
      .map((side) => strip.tokens[side]?.at(places?.[side] ?? -1))
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
        tokens.made(index).scrollIntoView({ block: "nearest" });
      } else return;
      event.preventDefault();
    };
  }
  // Letting go works from wherever the focus is, unless something else there takes the key.
  strip.letGo = (event) => {
    const elsewhere = event.target.closest?.("input, textarea, [role=dialog], [data-baseweb=popover]");
    if (event.key !== "Escape" || event.defaultPrevented || elsewhere) return;
    if (strip.pinned !== null) pin(null);
  };
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

// The tokens of a long text are fetched once, and stay in the browser's own cache.
async function fetchTexts(strip, path, holders) {
  strip.texts = null;
  for (const holder of Object.values(holders)) holder.replaceChildren();
  try {
    const texts = await fetchJson(new URL(path, document.baseURI).href);
    if (path === strip.data.units) strip.lay(texts);
  } catch (error) {
    if (path === strip.data.units) holders.query.textContent = error.message;
  }
}

// Whether a place stands for a row (a query) or a column (a key) of the pattern.
function roleOf(strip, place) {
  return strip.data.two ? place.side : strip.direction === "looks at" ? "query" : "key";
}

// The weights of a row or column: from the whole pattern where it is here, else as sent.
function weightsOf(strip, place) {
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

function shade(strip, readout) {
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
function dress(strip, side, index, token) {
  const here = { side, index };
  const weight = strip.weights[side]?.[index] ?? null;
  token.classList.toggle("pinned", same(here, strip.pinned));
  token.classList.toggle("hovered", same(here, strip.hovered));
  token.setAttribute("aria-selected", same(here, strip.pinned));
  const step = 3 * Math.round(255 * ((weight ?? 0) / strip.largest));
  const colour = strip.data.palette.slice(step, step + 3);
  token.style.backgroundColor = step ? `rgb(${colour})` : "";
  token.style.color = step ? inkOn(...colour) : "";
  token.title = weight === null ? "" : threeDigits(weight);
}

function labelsOf(strip, side) {
  return strip.texts[side === "key" ? "keys" : "queries"].labels;
}

function verbOf(strip, place) {
  return roleOf(strip, place) === "query" ? "looks at" : "is looked at by";
}

function sentence(strip, place, weights) {
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
function between(strip) {
  const { pinned, hovered, data } = strip;
  const comparable = pinned && !same(pinned, hovered) && (!data.two || hovered.side === "key");
  const weights = comparable ? weightsOf(strip, pinned) : null;
  if (!weights) return "";
  const label = labelsOf(strip, pinned.side)[pinned.index];
  return `${isolated(label)}  (${pinned.index})  ${verbOf(strip, pinned)} it ${threeDigits(weights[hovered.index])}`;
}
