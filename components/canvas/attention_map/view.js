// The attention map: a pattern of any length, from the whole of it down to single weights.

import { whenHovered, whenOpened } from "../shared/linked.js";
import { halfBits } from "../shared/paint.js";
import { fetchFloats, fetchJson, TileStore } from "../shared/tile_store.js";
import { mapColours } from "./colours.js";
import { paint, paintOverlay, pictureOf } from "./drawing.js";
import { fetchWeight } from "./exact_weight.js";
import { Geometry } from "./geometry.js";
import { wireHeaviest } from "./heaviest.js";
import { wireBar, wireKeys, wirePointer } from "./interaction.js";
import { sentence } from "./labels.js";
import { wireSearch } from "./search.js";
import { settleSoon, zoomOf } from "./zoom.js";

const REST = 120;  // milliseconds that the pointer rests before the exact weight is asked for
const TALL = 560;

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
  map.answer({ ...data, bits: halfBits(data.table) });
  return () => map.leave();
}

function build(parentElement) {
  const root = parentElement.querySelector(".map");
  const part = (name) => root.querySelector(name);
  const [canvas, overlay] = root.querySelectorAll("canvas");
  const said = part(".said");
  const map = {
    root, canvas, overlay, names: null, crosshair: null, sent: [], brush: null, sums: null, hits: [], hit: -1,
    opened: [], edges: null, edge: -1, pooling: "max", largest: 1, data: null, store: null,
  };

  // A head that was chosen elsewhere on the page is shown before the page's script has run.
  map.open = ({ base, rows, columns, bits }) => {
    if (!map.data || base === map.data.base || stackOf(base) !== stackOf(map.data.base)) return;
    map.opened.push({ base, rows, columns, bits });
    map.take({ ...map.data, ...map.opened.at(-1) });
  };

  map.answer = (data) => {
    const { opened } = map;
    opened.splice(0, opened.findLastIndex(({ base }) => base === data.base) + 1);
    // An answer to what was asked earlier does not take the map back.
    const ahead = opened.at(-1);
    if (ahead && stackOf(ahead.base) === stackOf(data.base)) map.take({ ...data, ...ahead });
    else {
      map.opened = [];
      map.take(data);
    }
  };

  map.take = (data) => {
    const before = map.data;
    map.data = data;
    map.levels = data.levels;
    const url = new URL(data.base, document.baseURI).href;
    if (!map.store || map.store.base !== url) {
      map.store?.close();
      map.store = new TileStore(url, map.redraw, map.complain);
      map.forgetEdges();
      map.brush = map.sums = null;
      map.complain("");
    }
    const anew = before?.units !== data.units;
    if (anew) {
      // A cell of another text is not one of this.
      map.crosshair = map.linked = null;
      map.learnNames(data.units);
    }
    if (!before || before.queries !== data.queries || before.keys !== data.keys) map.geometry = null;
    map.recolour();
    map.resize();
    // What we sent comes back, when the view may have moved on already; what we did not is a link's.
    const echo = map.sent.indexOf(data.span.join());
    if (echo >= 0) map.sent.splice(0, echo + 1);
    else if (!before || before.span.join() !== data.span.join()) map.show(data.span);
    if (data.pinned !== null && (anew || data.pinned !== before.pinned || !map.crosshair)) {
      map.crosshair = { query: data.pinned, key: map.crosshair?.key ?? 0 };
    }
    map.ask();
    map.redraw();
    map.say();
    if (map.crosshair) map.rest();
  };

  map.learnNames = async (path) => {
    const url = new URL(path, document.baseURI).href;
    map.namesAt = url;
    map.names = namesOf.get(url) ?? null;
    map.find();
    if (map.names) return;
    try {
      const { queries, keys } = await fetchJson(url);
      namesOf.set(url, { queries: queries.labels, keys: keys.labels });
      if (namesOf.size > 4) namesOf.delete(namesOf.keys().next().value);
    } catch (error) {
      if (map.namesAt === url) map.complain(error.message);
      return;
    }
    // Names that come late are not those of a text that has come meanwhile.
    if (map.namesAt !== url) return;
    map.names = namesOf.get(url);
    map.find();
    map.redraw();
    map.say();
  };

  map.recolour = () => {
    const { data } = map;
    map.largest = map.pooling === "mean" ? data.largestMean : 1;
    const kept = [data.palette.join(), data.never.join(), data.scale, data.signed, map.largest, data.base].join("/");
    if (kept === map.coloured) return;
    map.coloured = kept;
    map.colours = mapColours(data, map.largest);
    const shares = mapColours(data, 1);
    map.root.dataset.signed = data.signed;
    // What weights do rests on no sink.
    map.root.toggleAttribute("data-effect", data.label === "effect");
    part("thead th:nth-child(3)").textContent = data.label;
    map.coarse = pictureOf({ bits: data.bits, rows: data.rows, columns: data.columns }, shares);
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
    map.geometry = new Geometry(width, height, sharp, map.data);
    map.behaviour = zoomOf(map);
    map.show(seen ? [...seen.rows, ...seen.columns] : map.data.span);
  };

  // Show a span of queries and of keys, as large as it fits.
  map.show = (span) => {
    const { k, x, y } = map.geometry.zoomTo(span);
    d3.select(overlay).call(map.behaviour.transform, d3.zoomIdentity.translate(x, y).scale(k));
  };

  map.goTo = (query, key) => {
    map.crosshair = { query, key };
    map.show(map.geometry.around(map.crosshair));
    settleSoon(map);
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

  map.say = () => {
    const words = sentence(map);
    if (said.textContent !== words) said.textContent = words;
  };
  map.complain = (words) => {
    const problem = part(".problem");
    problem.textContent = words;
    problem.hidden = !words;
  };

  // Where the pointer rests, the exact weight is fetched, however coarse the picture is.
  map.rest = () => {
    clearTimeout(map.resting);
    map.resting = setTimeout(() => fetchWeight(map), REST);
  };

  map.ask = () => {
    const { geometry, store, pooling } = map;
    if (!store || store.closed) return;
    const level = geometry.level(map.levels);
    store.want(geometry.tiles(level).map(({ row, column }) => `${pooling}/${level}/${row}/${column}`));
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
      map.mostSummed = sums.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    } catch (error) {
      if (map.brush === brush) map.complain(error.message);
    }
    map.redraw();
    map.say();
  };

  whenOpened(root, map.open);
  whenHovered(root, (places) => {
    map.linked = places;
    map.redrawOverlay();
  });
  wireSearch(map, part);
  wireHeaviest(map, part);
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

function stackOf(base) {
  return base.split("/").slice(0, -2).join("/");
}
