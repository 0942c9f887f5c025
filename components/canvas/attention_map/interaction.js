// The map under a hand: pointer, touch, keys and buttons.

import { tellHovered } from "../shared/linked.js";
import { clamp } from "../shared/plane.js";
import { smallMapOf, within } from "./geometry.js";
import { placeOf, settle, settleSoon, zoomBy } from "./zoom.js";

const PAGES = 0.25;  // how far an arrow key with Shift moves, of what is seen

export function wirePointer(map) {
  const { overlay } = map;
  let pressed = null;
  let used = false;  // what was pressed was dragged for something else than a click
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
  const point = (place) => {
    map.crosshair = map.geometry.at(place.x, place.y);
    tellHovered(map.root, map.crosshair);
    map.rest();
    map.say();
    map.redrawOverlay();
  };
  overlay.onpointerdown = (event) => {
    if (event.button) return;
    const place = placeOf(map, event);
    const small = smallMapOf(map.geometry);
    const side = sideAt(place.x, place.y);
    pressed = {};
    used = false;
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
    if (pressed?.small) centreSmallMap(place);
    else if (pressed?.brush) {
      const { side } = pressed.brush;
      pressed.brush.to = map.geometry.at(place.x, place.y)[side === "queries" ? "query" : "key"];
      map.brushOver(pressed.brush);
    } else if (map.geometry.inside(place.x, place.y)) point(place);
    overlay.style.cursor = sideAt(place.x, place.y) ? "cell" : "crosshair";
  };
  overlay.onpointerup = () => {
    if (pressed?.brush) map.brushOver({ ...pressed.brush, moving: false });
    else if (pressed?.small) settle(map);
    used = Boolean(pressed?.brush || pressed?.small);
    pressed = null;
  };
  // The page has taken the finger to scroll.
  overlay.onpointercancel = () => {
    if (pressed?.brush) map.brushOver(null);
    pressed = null;
  };
  // A finger that begins on an axis brushes and does not scroll the page.
  overlay.addEventListener("touchstart", (event) => {
    const place = placeOf(map, event.touches[0]);
    if (event.touches.length === 1 && sideAt(place.x, place.y)) event.preventDefault();
  }, { passive: false });
  overlay.onclick = (event) => {
    const place = placeOf(map, event);
    if (used || event.defaultPrevented || !map.geometry.inside(place.x, place.y)) return;
    // A finger points only when it taps.
    point(place);
    if (map.brush) map.brushOver(null);
    else map.pin();
  };
  overlay.onpointerleave = () => {
    if (!pressed) tellHovered(map.root, null);
  };
}

export function wireKeys(map) {
  map.overlay.onkeydown = (event) => {
    // With these the browser's own zoom and shortcuts are meant.
    if (event.ctrlKey || event.metaKey || event.altKey) return;
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
    else if (event.key === "Home" || event.key === "0") {
      map.show([0, map.data.queries, 0, map.data.keys]);
      settle(map);
    } else if (event.key === "Enter") map.pin();
    else if (event.key === "Escape" && map.brush) map.brushOver(null);
    else if (event.key === "Escape") map.sendPin(-1);
    else return;
    event.preventDefault();
    map.say();
    map.redrawOverlay();
  };
}

// Keep the crosshair in sight.
function follow(map) {
  const { rows, columns } = map.geometry.seen;
  const { query, key } = map.crosshair;
  const shift = ([start, stop], at) => (at < start ? at - start : at >= stop ? at - stop + 1 : 0);
  const by = [shift(rows, query), shift(columns, key)];
  if (!by[0] && !by[1]) return;
  map.show([rows[0] + by[0], rows[1] + by[0], columns[0] + by[1], columns[1] + by[1]]);
  settleSoon(map);
}

export function wireBar(map, part) {
  const pooling = part("select");
  pooling.onchange = () => {
    map.pooling = pooling.value;
    map.recolour();
    map.ask();
    map.redraw();
  };
  for (const [name, factor] of [[".out", 0.5], [".in", 2]]) {
    part(name).onclick = () => {
      d3.select(map.overlay).call(map.behaviour.scaleBy, factor);
      settleSoon(map);
    };
  }
  part(".fit").onclick = () => {
    map.show([0, map.data.queries, 0, map.data.keys]);
    settle(map);
  };
}
