// The comparison under a hand: all panels share one zoom and one cursor, whichever is touched.

import { ARROWS } from "../shared/plane.js";

const FLIP_EVERY = 500;  // milliseconds; never faster, because of those whom flashes harm

export function zoomTogether(view) {
  const { plane, panels } = view;
  const overlays = panels.map(({ over }) => over);
  const behaviour = d3.zoom()
    .extent(plane.box)
    .translateExtent(plane.box)
    .scaleExtent([1, plane.closest])
    .filter((event) => {
      const place = placeIn(event.currentTarget ?? event.target, event.touches?.[0] ?? event);
      if (!plane.inside(place.x, place.y) || event.button) return false;
      // A page that shows the whole, or what cannot be larger, scrolls on.
      if (event.type === "wheel") return plane.closest > 1 && (plane.zoom.k > 1 || event.deltaY < 0);
      return event.type !== "touchstart" || event.touches.length > 1 || plane.zoom.k > 1;
    })
    .on("zoom", ({ transform }) => {
      plane.zoom = transform;
      for (const overlay of overlays) {
        overlay.__zoom = transform;  // where d3 keeps it
        overlay.style.touchAction = transform.k > 1 ? "none" : "pan-y";
      }
      view.redraw();
    });
  for (const overlay of overlays) d3.select(overlay).call(behaviour).on("dblclick.zoom", null);
  return behaviour;
}

function placeIn(overlay, event) {
  const box = overlay.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

export function wirePointer(view) {
  let before = null;
  for (const { over } of view.panels) {
    const point = (event) => {
      const { x, y } = placeIn(over, event);
      const inside = view.plane?.inside(x, y);
      view.pointAt(inside ? view.plane.at(x, y) : null);
      return inside;
    };
    over.onpointermove = (event) => {
      if (event.pointerType !== "touch") point(event);
    };
    over.onpointerleave = (event) => {
      if (event.pointerType !== "touch") view.pointAt(null);
    };
    over.onclick = (event) => {
      // The second click of two is no choice of its own.
      if (event.defaultPrevented || event.detail > 1 || !point(event)) return;
      before = view.row;
      view.choose(view.cursor.query);
    };
    over.ondblclick = () => {
      if (view.row !== before) view.choose(before);
      view.showAll();
    };
  }
}

export function wireKeys(view) {
  const { holder } = view;
  holder.onblur = () => view.pointAt(null);
  holder.onkeydown = (event) => {
    // With these the browser's own zoom and shortcuts are meant.
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== holder || !view.plane) return;
    const step = ARROWS[event.key];
    if (step) walkBy(view, step);
    else if (event.key === "+" || event.key === "=") view.zoomBy(2);
    else if (event.key === "-") view.zoomBy(0.5);
    else if (event.key === "0" || event.key === "Home") view.showAll();
    else if (event.key === "Enter") {
      if (view.cursor) view.choose(view.cursor.query);
    } else if (event.key === " " && view.data.mode === "flicker") flip(view);
    else if (event.key === "Escape") {
      if (view.row !== null) view.choose(null);
      view.pointAt(null);
    } else return;
    event.preventDefault();
  };
}

function walkBy(view, [down, right]) {
  const { plane, cursor } = view;
  const { rows, columns } = plane.seen;
  // The first step begins at the first cell in sight.
  const from = cursor ?? { query: rows[0] - down, key: columns[0] - right };
  view.pointAt(plane.moved(from, down, right));
  view.reveal(view.cursor);
}

// Show the other side, and leave it to the hand from then on.
function flip(view) {
  play(view, false);
  view.show(1 - view.shown);
}

export function play(view, playing) {
  view.playing = playing;
  clearInterval(view.flicker);
  if (playing && view.data.mode === "flicker") view.flicker = setInterval(() => view.show(1 - view.shown), FLIP_EVERY);
  view.part(".play").textContent = playing ? "Pause" : "Play";
}

export function wireTools(view) {
  view.part(".out").onclick = () => view.zoomBy(0.5);
  view.part(".in").onclick = () => view.zoomBy(2);
  view.part(".fit").onclick = () => view.showAll();
  view.part(".closer").onclick = () => {
    const { rows, columns } = view.plane.seen;
    view.sendSpan([...rows, ...columns]);
  };
  view.part(".entire").onclick = () => view.sendSpan([]);
  view.part(".flip").onclick = () => flip(view);
  view.part(".play").onclick = () => play(view, !view.playing);
}
