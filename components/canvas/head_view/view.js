// Two columns of tokens with lines between them: queries on the left, the keys that they look at on the
// right. Only the rows in sight exist; a line to a row out of sight ends at the edge, dashed and counted.

const MOST_ROWS = 20;
const FEWEST_ROWS = 8;
const MOST_LISTED = 16;
const OTHER = { query: "key", key: "query" };
const VERB = { query: "looks at", key: "is looked at by" };

const instances = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let view = instances.get(parentElement);
  if (!view) {
    view = build(parentElement);
    instances.set(parentElement, view);
  }
  view.send = (place) => setTriggerValue("pinned", place ? [place.side, place.index] : ["query", -1]);
  take(view, data);
  document.addEventListener("keydown", view.letGo);
  view.observer.observe(view.stage);
  return () => {
    document.removeEventListener("keydown", view.letGo);
    view.observer.disconnect();
  };
}

function take(view, data) {
  view.data = data;
  view.weights = data.edges.getChildAt(0).toArray();
  view.keys = data.edges.getChildAt(1).toArray();
  view.looking = null;
  view.only = null;
  nameHeads(view);
  const linked = data.keys === null;
  const tokens = { query: data.queries, key: linked ? data.queries : data.keys };
  for (const side of ["query", "key"]) {
    const column = view.columns[side];
    column.labels = tokens[side].getChildAt(0);
    column.special = tokens[side].getChildAt(1);
    column.count = tokens[side].numRows;
    column.spacer.style.height = `${column.count * ROW}px`;
    column.other = linked ? view.columns[OTHER[side]] : null;
  }
  const most = Math.max(view.columns.query.count, view.columns.key.count);
  const rows = Math.max(FEWEST_ROWS, Math.min(MOST_ROWS, most));
  view.root.style.setProperty("--rows", `${rows * ROW}px`);
  const given = data.pinned && { side: data.pinned[0], index: data.pinned[1] };
  const fresh = view.text !== data.text;
  if (fresh) {
    view.text = data.text;
    view.hovered = null;
    for (const column of Object.values(view.columns)) {
      column.holder.scrollTop = 0;
      for (const row of column.pool) row.index = -1;
    }
  }
  // A key of another text can be pinned here alone; it stays until the page says something new.
  if (fresh || !same(given, view.given)) {
    view.pinned = given;
    if (given) reveal(view, given);
  }
  view.given = given;
  show(view);
}

function build(parentElement) {
  const root = parentElement.querySelector(".view");
  const find = (name) => root.querySelector(name);
  const view = {
    root, stage: find(".stage"), canvas: find("canvas"), details: find(".details"), said: find(".said"),
    columns: {}, hovered: null, pinned: null, given: null, only: null, text: null, frame: 0,
  };
  whenHovered(root, (places) => {
    view.linked = places;
    soon(view);
  });
  for (const [side, name] of [["query", ".looking"], ["key", ".looked"]]) {
    const holder = find(name);
    const column = { side, holder, spacer: holder.firstElementChild, pool: [], other: null };
    view.columns[side] = column;
    const placeOf = (event) => {
      const row = event.target.closest(".row");
      return row ? { side, index: Number(row.dataset.index) } : null;
    };
    holder.onmousemove = (event) => hover(view, placeOf(event));
    holder.onmouseleave = () => hover(view, null);
    holder.onblur = () => hover(view, null);
    holder.onclick = (event) => {
      const place = placeOf(event);
      if (place) pin(view, same(place, view.pinned) ? null : place);
    };
    holder.onscroll = () => {
      if (column.other) column.other.holder.scrollTop = holder.scrollTop;
      soon(view);
    };
    holder.onkeydown = (event) => walk(view, side, event);
  }
  // The wheel between the columns moves both; where neither can move, it moves the page.
  view.canvas.onwheel = (event) => {
    const far = event.deltaMode === 0 ? event.deltaY : event.deltaY * ROW;
    const holders = Object.values(view.columns).map((column) => column.holder);
    const room = (holder) => (far < 0 ? holder.scrollTop : holder.scrollHeight - holder.clientHeight - holder.scrollTop);
    if (!holders.some((holder) => room(holder) >= 1)) return;
    event.preventDefault();
    for (const holder of holders) holder.scrollBy(0, far);
  };
  view.letGo = (event) => {
    const elsewhere = event.target.closest?.("input, textarea, [role=dialog], [data-baseweb=popover]");
    if (event.key !== "Escape" || event.defaultPrevented || elsewhere) return;
    if (view.pinned) pin(view, null);
  };
  view.observer = new ResizeObserver(() => show(view));
  return view;
}

function same(one, other) {
  return one?.index === other?.index && one?.side === other?.side;
}

function soon(view) {
  cancelAnimationFrame(view.frame);
  view.frame = requestAnimationFrame(() => show(view));
}

function hover(view, place) {
  if (same(place, view.hovered)) return;
  view.hovered = place;
  tellHovered(view.root, place && { [place.side]: place.index });
  soon(view);
}

function pin(view, place) {
  view.pinned = place;
  view.hovered = null;
  // A link says which query is pinned; of two texts it has no name for a key.
  if (!place || place.side === "query" || view.data.keys === null) view.send(place);
  show(view);
  say(view);
}

// Up and down walk a column; left and right go along the heaviest line.
function walk(view, side, event) {
  const column = view.columns[side];
  const here = [view.hovered, view.pinned].find((place) => place?.side === side);
  const page = Math.floor(column.holder.clientHeight / ROW) - 1;
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  const across = { ArrowRight: "query", ArrowLeft: "key" }[event.key];
  if (event.key === "Escape") pin(view, null);
  else if (event.key === "Enter" || event.key === " ") {
    if (here) pin(view, same(here, view.pinned) ? null : here);
  } else if (across === side && here) {
    const [heaviest] = linesOf(view, here).sort((a, b) => b.weight - a.weight);
    if (heaviest) {
      const place = { side: OTHER[side], index: heaviest[OTHER[side]] };
      view.columns[place.side].holder.focus();
      go(view, place);
    }
  } else if (event.key in step) {
    // A first step begins at the first row in sight.
    const start = here ? here.index : Math.ceil(column.holder.scrollTop / ROW) - Math.sign(step[event.key]);
    const index = start + step[event.key];
    go(view, { side, index: Math.max(0, Math.min(column.count - 1, index)) });
  } else return;
  event.preventDefault();
}

function go(view, place) {
  view.hovered = place;
  reveal(view, place);
  show(view);
  say(view);
}

function reveal(view, { side, index }) {
  const { holder } = view.columns[side];
  const top = index * ROW;
  const height = holder.clientHeight;
  if (top < holder.scrollTop || top + ROW > holder.scrollTop + height) {
    holder.scrollTop = top - Math.floor(height / 2 / ROW) * ROW;
  }
}

// The lines of one token: what a query looks at, or the queries that look at a key.
function linesOf(view, { side, index }) {
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

function inSight(column) {
  const first = Math.max(0, Math.floor(column.holder.scrollTop / ROW));
  const last = Math.ceil((column.holder.scrollTop + column.holder.clientHeight) / ROW);
  return [first, Math.min(column.count, last)];
}

function show(view) {
  if (!view.data) return;
  const place = view.hovered ?? view.pinned;
  let lines = [];
  if (place) lines = linesOf(view, place);
  else {
    const [first, last] = inSight(view.columns.query);
    for (let index = first; index < last; index++) lines.push(...linesOf(view, { side: "query", index }));
  }
  lines.sort((a, b) => a.weight - b.weight);
  for (const side of ["query", "key"]) layOut(view, side, place, lines);
  draw(view, lines, place ? 0.35 : 0.03);
  tell(view, place, lines);
}

// Fill as many rows as are in sight, each with the token that stands there.
function layOut(view, side, place, lines) {
  const column = view.columns[side];
  const [first, last] = inSight(column);
  const size = Math.ceil((column.holder.clientHeight || 1) / ROW) + 2;
  while (column.pool.length < size) column.pool.push(newRow(column));
  const ends = new Map();
  if (place && place.side !== side) {
    for (const line of lines) {
      if (!ends.has(line[side])) ends.set(line[side], []);
      ends.get(line[side]).unshift(line);
    }
  }
  const used = new Set();
  for (let index = first; index < last; index++) {
    const row = column.pool[index % column.pool.length];
    used.add(row);
    if (row.index !== index || row.labels !== column.labels) fillRow(column, row, index);
    row.element.hidden = false;
    const here = { side, index };
    const own = ends.get(index) ?? [];
    row.element.setAttribute("aria-selected", same(here, view.pinned));
    row.element.classList.toggle("pinned", same(here, view.pinned));
    row.element.classList.toggle("hovered", same(here, view.hovered));
    row.element.classList.toggle("linked", view.linked?.[side] === index);
    row.element.classList.toggle("aside", Boolean(place) && !own.length && !same(here, place));
    row.numbers.replaceChildren(...own.map((line) => {
      const number = document.createElement("b");
      number.textContent = threeDigits(line.weight);
      number.style.borderColor = view.data.heads[line.head].colour;
      return number;
    }));
  }
  for (const row of column.pool) if (!used.has(row)) row.element.hidden = true;
  const active = view.hovered?.side === side ? view.hovered : null;
  if (active) column.holder.setAttribute("aria-activedescendant", `${side}-${active.index}`);
  else column.holder.removeAttribute("aria-activedescendant");
}

function newRow(column) {
  const element = document.createElement("div");
  element.className = "row";
  element.setAttribute("role", "option");
  const [label, numbers, at] = ["bdi", "span", "small"].map((tag) => document.createElement(tag));
  label.dir = "auto";
  numbers.className = "numbers";
  element.append(label, numbers, at);
  column.spacer.append(element);
  return { element, label, numbers, at, index: -1 };
}

function fillRow(column, row, index) {
  row.index = index;
  row.labels = column.labels;
  row.element.id = `${column.side}-${index}`;
  row.element.dataset.index = index;
  row.element.style.top = `${index * ROW}px`;
  row.element.setAttribute("aria-setsize", column.count);
  row.element.setAttribute("aria-posinset", index + 1);
  row.element.classList.toggle("special", Boolean(column.special.get(index)));
  row.label.textContent = column.labels.get(index);
  row.at.textContent = index;
}

function named(column, index) {
  return `${column.labels.get(index)} (${index})`;
}

// The legend: a button for each head, and under it the numbers of the token in question.
function nameHeads(view) {
  view.title = document.createElement("p");
  view.title.dir = "auto";
  view.title.className = "title";
  view.note = document.createElement("p");
  view.note.className = "note";
  view.blocks = view.data.heads.map((head, number) => {
    const [block, button, swatch, body] = ["section", "button", "i", "div"].map((tag) => document.createElement(tag));
    swatch.style.background = head.colour;
    button.type = "button";
    button.title = "Show the lines of this head alone";
    button.append(swatch, head.name);
    button.onclick = () => {
      view.only = view.only === number ? null : number;
      show(view);
    };
    block.append(button, body);
    return { block, button, body };
  });
  view.details.replaceChildren(view.title, ...view.blocks.map(({ block }) => block), view.note);
}

function tell(view, place, lines) {
  const { data, columns } = view;
  view.title.textContent = place
    ? `${named(columns[place.side], place.index)} ${VERB[place.side]}`
    : `Hover a ${data.unit} to see only its lines; click to pin it.`;
  view.note.textContent = place?.side === "key" ? data.reach : "";
  view.blocks.forEach(({ block, button, body }, number) => {
    const silent = view.only !== null && view.only !== number;
    block.classList.toggle("aside", silent);
    button.setAttribute("aria-pressed", view.only === number);
    const own = lines.filter((line) => line.head === number);
    body.replaceChildren(...(place && !silent ? listed(own, columns[OTHER[place.side]]) : []));
  });
}

function listed(lines, column) {
  const list = document.createElement("ol");
  const largest = lines.slice(-MOST_LISTED).reverse();
  for (const line of largest) {
    const item = document.createElement("li");
    const label = document.createElement("bdi");
    const number = document.createElement("b");
    label.textContent = named(column, line[column.side]);
    number.textContent = threeDigits(line.weight);
    item.append(label, number);
    list.append(item);
  }
  const rest = lines.length - largest.length;
  const words = document.createElement("p");
  words.textContent = lines.length ? `and ${rest.toLocaleString()} more` : "nothing";
  return lines.length && !rest ? [list] : [list, words];
}

// For who does not see: only when the keyboard or a click moved, never for the mouse.
function say(view) {
  const place = view.hovered ?? view.pinned;
  if (!place) {
    view.said.textContent = "";
    return;
  }
  const lines = linesOf(view, place).sort((a, b) => b.weight - a.weight);
  const far = OTHER[place.side];
  const parts = view.data.heads.map(({ name }, number) => {
    const own = lines.filter((line) => line.head === number).slice(0, 4);
    const words = own.map((line) => `${named(view.columns[far], line[far])} ${threeDigits(line.weight)}`);
    return `${name}: ${words.join(", ") || "nothing"}`;
  });
  view.said.textContent = `${named(view.columns[place.side], place.index)} ${VERB[place.side]}. ${parts.join(". ")}`;
}
