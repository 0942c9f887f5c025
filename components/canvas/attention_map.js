// The attention map: a pattern of any length, from the whole of it down to single weights.

const REST = 120;  // milliseconds that the pointer rests before the exact weight is asked for
const SETTLED = 350;  // after which the link learns what is seen
const TALL = 560;
const PAGES = 0.25;  // how far an arrow key with Shift moves, of what is seen

const maps = new WeakMap();
const namesOf = new Map();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let map = maps.get(parentElement);
  if (!map) {
    map = build(parentElement);
    maps.set(parentElement, map);
  }
  map.sendSpan = (span) => setStateValue("span", span);
  map.sendPin = (query) => setTriggerValue("pinned", query);
  map.take(data);
  return () => map.leave();
}

function build(parentElement) {
  const root = parentElement.querySelector(".map");
  const part = (name) => root.querySelector(name);
  const [canvas, overlay] = root.querySelectorAll("canvas");
  const said = part(".said");
  const map = {
    root, canvas, overlay, names: null, crosshair: null, sent: [], brush: null, sums: null, hits: [], hit: -1,
    edges: null, edge: -1, pooling: "max", largest: 1, data: null, store: null,
  };

  map.take = (data) => {
    const before = map.data;
    map.data = data;
    map.levels = data.levels;
    const url = new URL(data.base, document.baseURI).href;
    if (!map.store || map.store.base !== url) {
      map.store?.close();
      map.store = new TileStore(url, map.redraw, map.complain);
      map.edges = null;
      map.edge = -1;
      map.brush = map.sums = null;
      map.complain("");
    }
    if (!before || before.units !== data.units) map.learnNames(data.units);
    if (!before || before.queries !== data.queries || before.keys !== data.keys) map.geometry = null;
    map.recolour();
    map.resize();
    // What we sent comes back, when the view may have moved on already; what we did not is a link's.
    const echo = map.sent.indexOf(data.span.join());
    if (echo >= 0) map.sent.splice(0, echo + 1);
    else if (!before || before.span.join() !== data.span.join()) map.show(data.span);
    if (data.pinned !== null && data.pinned !== before?.pinned) {
      map.crosshair = { query: data.pinned, key: map.crosshair?.key ?? 0 };
    }
    map.ask();
    map.redraw();
    map.say();
  };

  map.learnNames = async (path) => {
    const url = new URL(path, document.baseURI).href;
    map.names = namesOf.get(url) ?? null;
    if (map.names) return;
    try {
      namesOf.set(url, await fetchJson(url));
      if (namesOf.size > 4) namesOf.delete(namesOf.keys().next().value);
    } catch (error) {
      map.complain(error.message);
      return;
    }
    map.names = namesOf.get(url);
    map.redraw();
    map.say();
  };

  map.recolour = () => {
    const { data } = map;
    map.largest = map.pooling === "mean" ? data.largestMean : 1;
    const kept = [data.palette.join(), data.never.join(), data.scale, map.largest, data.base].join("/");
    if (kept === map.coloured) return;
    map.coloured = kept;
    map.colours = mapColours(data, map.largest);
    const shares = mapColours(data, 1);
    map.coarse = pictureOf({ bits: halfBits(data.table), rows: data.rows, columns: data.columns }, shares);
  };

  map.resize = () => {
    const width = root.clientWidth || 640;
    const height = Math.min(TALL, Math.max(360, width * 0.82));
    const sharp = window.devicePixelRatio || 1;
    if (map.geometry && map.width === width && map.sharp === sharp) return;
    map.width = width;
    map.sharp = sharp;
    for (const one of [canvas, overlay]) {
      one.width = Math.round(width * sharp);
      one.height = Math.round(height * sharp);
      one.style.height = `${height}px`;
    }
    const seen = map.geometry?.seen;
    map.geometry = new Geometry(width, height, map.data);
    map.behaviour = zoomOf(map);
    if (seen) map.show([...seen.rows, ...seen.columns]);
  };

  // Show a span of queries and of keys, as large as it fits.
  map.show = ([rowStart, rowStop, columnStart, columnStop]) => {
    const { geometry } = map;
    const tall = Math.max(1, rowStop - rowStart);
    const wide = Math.max(1, columnStop - columnStart);
    const k = clamp(
      Math.min(geometry.width / (wide * geometry.unit.x), geometry.height / (tall * geometry.unit.y)),
      1, geometry.closest,
    );
    const { left, top } = geometry.margin;
    const [right, bottom] = geometry.box[1];
    // d3 keeps what a hand moves inside the pattern; what is moved from here keeps itself there.
    const x = clamp(
      left + geometry.width / 2 - k * (left + geometry.unit.x * (columnStart + wide / 2)),
      right * (1 - k), left * (1 - k),
    );
    const y = clamp(
      top + geometry.height / 2 - k * (top + geometry.unit.y * (rowStart + tall / 2)),
      bottom * (1 - k), top * (1 - k),
    );
    d3.select(overlay).call(map.behaviour.transform, d3.zoomIdentity.translate(x, y).scale(k));
  };

  map.goTo = (query, key) => {
    map.crosshair = { query, key };
    const half = 12;
    map.show([query - half, query + half, key - half, key + half]);
    map.settling = setTimeout(() => settle(map), SETTLED);
    map.rest();
    map.say();
  };

  map.redraw = () => {
    if (map.frame) return;
    map.frame = requestAnimationFrame(() => {
      map.frame = 0;
      paint(map);
    });
  };
  map.redrawOverlay = () => {
    if (map.overlayFrame) return;
    map.overlayFrame = requestAnimationFrame(() => {
      map.overlayFrame = 0;
      paintOverlay(map);
    });
  };

  map.say = () => { said.textContent = sentence(map); };
  map.complain = (words) => {
    const problem = part(".problem");
    problem.textContent = words;
    problem.hidden = !words;
  };

  // Where the pointer rests, the exact weight is fetched, however coarse the picture is.
  map.rest = () => {
    clearTimeout(map.resting);
    map.resting = setTimeout(() => {
      if (map.crosshair && exactAt(map, map.crosshair) === null) map.ask();
    }, REST);
  };

  map.ask = () => {
    const { geometry, store, pooling } = map;
    if (!store || store.closed) return;
    const level = geometry.level(map.levels);
    const keys = geometry.tiles(level).map(({ row, column }) => `${pooling}/${level}/${row}/${column}`);
    store.want(map.crosshair ? [...keys, exactKey(map.crosshair)] : keys);
  };

  map.pin = () => {
    if (map.crosshair) map.sendPin(map.crosshair.query);
  };

  map.brushOver = async (brush) => {
    map.brush = brush;
    map.sums = null;
    map.redraw();
    map.say();
    if (!brush || brush.moving) return;
    const [first, last] = [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to) + 1];
    try {
      const sums = await fetchFloats(`${map.store.base}/sums/${brush.side}/${first}/${last}`);
      if (map.brush !== brush) return;
      map.sums = sums;
      map.mostSummed = sums.reduce((most, one) => Math.max(most, one), 1e-12);
    } catch (error) {
      map.complain(error.message);
    }
    map.redraw();
    map.say();
  };

  whenHovered(root, (places) => {
    map.linked = places;
    map.redrawOverlay();
  });
  wireBar(map, part);
  wirePointer(map);
  wireKeys(map);
  map.observer = new ResizeObserver(() => {
    map.resize();
    map.redraw();
  });
  map.observer.observe(root);
  map.leave = () => {
    map.store?.close();
    map.observer.disconnect();
    maps.delete(parentElement);
  };
  return map;
}

function zoomOf(map) {
  const { geometry, overlay } = map;
  const behaviour = d3.zoom()
    .extent(geometry.box)
    .translateExtent(geometry.box)
    .scaleExtent([1, geometry.closest])
    .filter((event) => {
      const place = placeOf(map, event.touches?.[0] ?? event);
      if (!geometry.inside(place.x, place.y) || event.button || event.shiftKey) return false;
      const small = smallMapOf(geometry);
      if (small && within(small, place)) return false;
      // A page that shows the whole map scrolls on.
      if (event.type === "wheel") return geometry.zoom.k > 1 || event.deltaY < 0;
      return event.type !== "touchstart" || event.touches.length > 1 || geometry.zoom.k > 1;
    })
    .on("zoom", ({ transform, sourceEvent }) => {
      geometry.zoom = transform;
      overlay.style.touchAction = transform.k > 1 ? "none" : "pan-y";
      map.ask();
      map.redraw();
      clearTimeout(map.settling);
      if (sourceEvent) map.settling = setTimeout(() => settle(map), SETTLED);
    });
  d3.select(overlay).call(behaviour).on("dblclick.zoom", null);
  return behaviour;
}

function settle(map) {
  const { rows, columns } = map.geometry.seen;
  const span = [...rows, ...columns];
  if (span.join() === map.data.span.join()) return;
  map.sent.push(span.join());
  map.sendSpan(span);
}

function placeOf(map, event) {
  const box = map.overlay.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function within(box, { x, y }) {
  return x >= box.left && y >= box.top && x <= box.left + box.width && y <= box.top + box.height;
}

function exactKey({ query, key }) {
  return `max/0/${Math.floor(query / TILE_SIDE)}/${Math.floor(key / TILE_SIDE)}`;
}

// The weight of one cell; NaN where it may not be looked at, null where it is not known yet.
function exactAt(map, { query, key }) {
  const tile = map.store?.kept.get(exactKey({ query, key }));
  if (!tile) return null;
  return valueOf(tile.bits[(query % TILE_SIDE) * tile.columns + (key % TILE_SIDE)]);
}

function valueOf(bits) {
  return ((bits >> 10) & 31) === 31 ? NaN : halfValues[bits];
}

function unitName(map, side, index) {
  const name = map.names?.[side]?.[index];
  return name === undefined ? `${index}` : `${name} (${index})`;
}

function sentence(map) {
  const { brush, sums, crosshair } = map;
  if (brush) {
    const [first, last] = [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to)];
    const other = brush.side === "queries" ? "keys" : "queries";
    if (!sums) return `${brush.side} ${first} to ${last}: adding up …`;
    const at = crosshair ? crosshair[other === "keys" ? "key" : "query"] : sums.indexOf(map.mostSummed);
    const most = sums.indexOf(map.mostSummed);
    const value = (index) => `${unitName(map, other, index)} ${threeDigits(sums[index])}`;
    return `${brush.side} ${first} to ${last} together: most at ${value(most)}` + (at >= 0 && at !== most ? `; ${value(at)}` : "");
  }
  if (!crosshair) return "Hover a cell for its weight; scroll to zoom, drag to move, drag along an axis to add up a span.";
  const weight = exactAt(map, crosshair);
  const said = weight === null ? "…" : Number.isNaN(weight) ? "not attended" : threeDigits(weight);
  return `${unitName(map, "queries", crosshair.query)} looks at ${unitName(map, "keys", crosshair.key)}: ${said}`;
}

function paint(map) {
  const { canvas, geometry, sharp, data } = map;
  if (!geometry || !data || !map.coarse) return;
  const context = canvas.getContext("2d");
  const style = getComputedStyle(map.root);
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.font = `11px ${style.fontFamily}`;
  const done = drawPattern(context, geometry, map);
  drawAxes(context, geometry, map, style.color);
  drawBar(context, geometry, map, style.color);
  drawSmallMap(context, geometry, map, style.color);
  map.root.dataset.head = data.base.split("/").slice(-2).join(".");
  map.root.dataset.level = geometry.level(map.levels);
  map.root.dataset.state = done ? "sharp" : "coarse";
  map.root.dataset.seen = [...geometry.seen.rows, ...geometry.seen.columns].join(" ");
  paintOverlay(map);
  map.say();
}

function paintOverlay(map) {
  const { overlay, geometry, sharp } = map;
  if (!geometry) return;
  const context = overlay.getContext("2d");
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, overlay.width, overlay.height);
  drawCrosshair(context, geometry, map.crosshair, FRAME);
  // What is hovered elsewhere is a query, a key, or one token that is both.
  if (map.linked) drawCrosshair(context, geometry, map.linked, BRUSH);
  drawSums(context, geometry, map);
}

function wireBar(map, part) {
  const find = part("input[type=search]");
  find.oninput = () => {
    const words = find.value.trim().toLowerCase();
    map.hits = words && map.names ? hitsOf(map.names.keys, words) : [];
    map.hit = -1;
    part(".hits").textContent = words ? `${map.hits.length.toLocaleString("en")} found` : "";
  };
  find.onkeydown = (event) => {
    if (event.key !== "Enter" || !map.hits.length) return;
    event.preventDefault();
    map.hit = (map.hit + (event.shiftKey ? map.hits.length - 1 : 1)) % map.hits.length;
    const key = map.hits[map.hit];
    part(".hits").textContent = `${map.hit + 1} of ${map.hits.length.toLocaleString("en")}`;
    // A token is looked for as what is looked at, from itself or from where one was looking.
    map.goTo(clamp(map.crosshair?.query ?? key, key, map.data.queries - 1) || key, key);
  };
  const sink = part("input[type=checkbox]");
  sink.onchange = () => { map.edges = null; map.edge = -1; };
  part(".edge").onclick = async () => {
    try {
      map.edges ??= await fetchJson(`${map.store.base}/edges?off_sink=${sink.checked ? 1 : 0}`);
    } catch (error) {
      map.complain(error.message);
      return;
    }
    listEdges(map, part("tbody"));
    if (!map.edges.weights.length) return;
    map.edge = (map.edge + 1) % map.edges.weights.length;
    map.goTo(map.edges.queries[map.edge], map.edges.keys[map.edge]);
  };
  const pooling = part("select");
  pooling.onchange = () => {
    map.pooling = pooling.value;
    map.recolour();
    map.ask();
    map.redraw();
  };
  part(".out").onclick = () => d3.select(map.overlay).call(map.behaviour.scaleBy, 0.5);
  part(".in").onclick = () => d3.select(map.overlay).call(map.behaviour.scaleBy, 2);
  part(".fit").onclick = () => {
    map.show([0, map.data.queries, 0, map.data.keys]);
    settle(map);
  };
  part("details").ontoggle = async (event) => {
    if (!event.target.open || map.edges) return;
    try {
      map.edges = await fetchJson(`${map.store.base}/edges?off_sink=${sink.checked ? 1 : 0}`);
      listEdges(map, part("tbody"));
    } catch (error) {
      map.complain(error.message);
    }
  };
}

function hitsOf(names, words) {
  const hits = [];
  // What a person types may run over several tokens.
  const joined = [];
  let length = 0;
  const starts = [];
  for (const name of names) {
    const plain = name.replaceAll("·", " ").toLowerCase();
    starts.push(length);
    joined.push(plain);
    length += plain.length;
  }
  const text = joined.join("");
  let token = 0;
  for (let at = text.indexOf(words); at >= 0 && hits.length < 10_000; at = text.indexOf(words, at + 1)) {
    while (token + 1 < starts.length && starts[token + 1] <= at) token++;
    if (hits.at(-1) !== token) hits.push(token);
  }
  return hits;
}

function listEdges(map, body) {
  const { weights, queries, keys } = map.edges;
  body.replaceChildren(...weights.map((weight, index) => {
    const row = document.createElement("tr");
    const words = [unitName(map, "queries", queries[index]), unitName(map, "keys", keys[index]), threeDigits(weight)];
    for (const text of words) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Show";
    button.onclick = () => map.goTo(queries[index], keys[index]);
    const cell = document.createElement("td");
    cell.append(button);
    row.append(cell);
    return row;
  }));
}

function wirePointer(map) {
  const { overlay } = map;
  let pressed = null;
  const sideAt = (x, y) => {
    const { left, top } = map.geometry.margin;
    if (x < left && y >= top) return "queries";
    return y < top && x >= left ? "keys" : null;
  };
  const centreSmallMap = ({ x, y }) => {
    const { geometry } = map;
    const small = smallMapOf(geometry);
    const { rows, columns } = geometry.seen;
    const query = ((y - small.top) / small.height) * geometry.queries;
    const key = ((x - small.left) / small.width) * geometry.keys;
    const half = [(rows[1] - rows[0]) / 2, (columns[1] - columns[0]) / 2];
    map.show([query - half[0], query + half[0], key - half[1], key + half[1]]);
  };
  overlay.onpointerdown = (event) => {
    const place = placeOf(map, event);
    const small = smallMapOf(map.geometry);
    const side = sideAt(place.x, place.y);
    pressed = { ...place, moved: false };
    if (small && within(small, place)) {
      pressed.small = true;
      centreSmallMap(place);
      overlay.setPointerCapture(event.pointerId);
    } else if (side) {
      const at = map.geometry.at(place.x, place.y)[side === "queries" ? "query" : "key"];
      pressed.brush = { side, from: at, to: at, moving: true };
      overlay.setPointerCapture(event.pointerId);
    }
  };
  overlay.onpointermove = (event) => {
    const place = placeOf(map, event);
    if (pressed && Math.hypot(place.x - pressed.x, place.y - pressed.y) > 3) pressed.moved = true;
    if (pressed?.small) centreSmallMap(place);
    else if (pressed?.brush) {
      const { side } = pressed.brush;
      pressed.brush.to = map.geometry.at(place.x, place.y)[side === "queries" ? "query" : "key"];
      map.brushOver(pressed.brush);
    } else if (map.geometry.inside(place.x, place.y)) {
      map.crosshair = map.geometry.at(place.x, place.y);
      tellHovered(map.root, map.crosshair);
      map.rest();
      map.say();
      map.redrawOverlay();
    }
    overlay.style.cursor = sideAt(place.x, place.y) ? "cell" : "crosshair";
  };
  overlay.onpointerup = () => {
    if (pressed?.brush) map.brushOver({ ...pressed.brush, moving: false });
    else if (pressed?.small) settle(map);
    pressed = null;
  };
  overlay.onclick = (event) => {
    const place = placeOf(map, event);
    if (!event.defaultPrevented && map.geometry.inside(place.x, place.y)) map.pin();
  };
  overlay.onpointerleave = () => {
    if (!pressed) tellHovered(map.root, null);
  };
}

function wireKeys(map) {
  map.overlay.onkeydown = (event) => {
    const { geometry } = map;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const { rows, columns } = geometry.seen;
    if (step && event.shiftKey) {
      const by = [step[0] * (rows[1] - rows[0]) * PAGES, step[1] * (columns[1] - columns[0]) * PAGES];
      map.show([rows[0] + by[0], rows[1] + by[0], columns[0] + by[1], columns[1] + by[1]]);
      settle(map);
    } else if (step) {
      const from = map.crosshair ?? { query: rows[0], key: columns[0] };
      // Where a cell is smaller than a pixel, a step is as long as one that can be seen.
      const far = [Math.max(1, Math.round(2 / geometry.cell.y)), Math.max(1, Math.round(2 / geometry.cell.x))];
      map.crosshair = {
        query: clamp(from.query + step[0] * far[0], 0, geometry.queries - 1),
        key: clamp(from.key + step[1] * far[1], 0, geometry.keys - 1),
      };
      follow(map);
      map.rest();
    } else if (event.key === "+" || event.key === "=") zoomBy(map, 2);
    else if (event.key === "-") zoomBy(map, 0.5);
    else if (event.key === "Home" || event.key === "0") map.show([0, map.data.queries, 0, map.data.keys]);
    else if (event.key === "Enter") map.pin();
    else if (event.key === "Escape" && map.brush) map.brushOver(null);
    else if (event.key === "Escape") map.sendPin(-1);
    else return;
    event.preventDefault();
    map.say();
    map.redrawOverlay();
  };
}

function zoomBy(map, factor) {
  const { geometry, crosshair } = map;
  const point = crosshair
    ? [geometry.left(crosshair.key + 0.5), geometry.top(crosshair.query + 0.5)]
    : undefined;
  d3.select(map.overlay).call(map.behaviour.scaleBy, factor, point);
  settle(map);
}

// Keep the crosshair in sight.
function follow(map) {
  const { rows, columns } = map.geometry.seen;
  const { query, key } = map.crosshair;
  const shift = ([start, stop], at) => (at < start ? at - start : at >= stop ? at - stop + 1 : 0);
  const by = [shift(rows, query), shift(columns, key)];
  if (by[0] || by[1]) map.show([rows[0] + by[0], rows[1] + by[0], columns[0] + by[1], columns[1] + by[1]]);
}
