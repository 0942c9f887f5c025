// The map under a hand: pointer, touch, keys and buttons.

import { tellHovered } from "../shared/linked.js";
import { ARROWS } from "../shared/plane.js";
import { smallMapOf, within } from "./geometry.js";
import { placeOf, settle, settleSoon, zoomBy } from "./zoom.js";

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
    map.show(geometry.centredOn({
      query: ((y - small.top) / small.height) * geometry.queries,
      key: ((x - small.left) / small.width) * geometry.keys,
    }));
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
    const step = ARROWS[event.key];
    if (step && event.shiftKey) {
      map.show(geometry.paged(step));
      settle(map);
    } else if (step) {
      const { rows, columns } = geometry.seen;
      map.crosshair = geometry.steppedTo(map.crosshair ?? { query: rows[0], key: columns[0] }, step);
      follow(map);
      map.rest();
    } else if (event.key === "+" || event.key === "=") zoomBy(map, 2);
    else if (event.key === "-") zoomBy(map, 0.5);
    else if (event.key === "Home" || event.key === "0") {
      map.show(geometry.whole);
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
  const span = map.geometry.following(map.crosshair);
  if (!span) return;
  map.show(span);
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
    map.show(map.geometry.whole);
    settle(map);
  };
}
