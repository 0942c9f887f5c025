// The map is zoomed and moved; where it comes to rest the link learns what is seen.

import { smallMapOf, within } from "./geometry.js";

const SETTLED = 350;  // after which the link learns what is seen

export function zoomOf(map) {
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
      if (sourceEvent) settleSoon(map);
    });
  d3.select(overlay).call(behaviour).on("dblclick.zoom", null);
  return behaviour;
}

export function settleSoon(map) {
  clearTimeout(map.settling);
  map.settling = setTimeout(() => settle(map), SETTLED);
}

export function settle(map) {
  const { rows, columns } = map.geometry.seen;
  const span = [...rows, ...columns];
  if (span.join() === map.data.span.join()) return;
  map.sent.push(span.join());
  map.sendSpan(span);
}

export function placeOf(map, event) {
  const box = map.overlay.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

export function zoomBy(map, factor) {
  const { geometry, crosshair } = map;
  const point = crosshair && [geometry.left(crosshair.key + 0.5), geometry.top(crosshair.query + 0.5)];
  const inSight = point && geometry.inside(...point);
  d3.select(map.overlay).call(map.behaviour.scaleBy, factor, inSight ? point : undefined);
  settle(map);
}
