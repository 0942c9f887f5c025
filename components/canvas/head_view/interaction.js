// The two columns under a hand: tokens are hovered, pinned and walked through.

import { samePlace, tellHovered } from "../shared/linked.js";
import { show, soon } from "./drawing.js";
import { say } from "./labels.js";
import { linesOf, OTHER } from "./lines.js";
import { reveal, ROW, steppedTo } from "./rows.js";

export function wireColumns(view) {
  for (const [side, name] of [["query", ".looking"], ["key", ".looked"]]) {
    const holder = view.root.querySelector(name);
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
      if (place) pin(view, samePlace(place, view.pinned) ? null : place);
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
}

function hover(view, place) {
  if (samePlace(place, view.hovered)) return;
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
  const next = steppedTo(event.key, here?.index ?? null, column);
  const across = { ArrowRight: "query", ArrowLeft: "key" }[event.key];
  if (event.key === "Escape") pin(view, null);
  else if (event.key === "Enter" || event.key === " ") {
    if (here) pin(view, samePlace(here, view.pinned) ? null : here);
  } else if (across === side && here) {
    const [heaviest] = linesOf(view, here).sort((a, b) => b.weight - a.weight);
    if (heaviest) {
      const place = { side: OTHER[side], index: heaviest[OTHER[side]] };
      view.columns[place.side].holder.focus();
      go(view, place);
    }
  } else if (next !== null) go(view, { side, index: next });
  else return;
  event.preventDefault();
}

function go(view, place) {
  view.hovered = place;
  reveal(view, place);
  show(view);
  say(view);
}
