// Two columns of tokens with lines between them: queries on the left, the keys that they look at on the
// right. Only the rows in sight exist; a line to a row out of sight ends at the edge, dashed and counted.

import { samePlace, whenHovered } from "../shared/linked.js";
import { show, soon } from "./drawing.js";
import { wireColumns } from "./interaction.js";
import { nameHeads } from "./labels.js";
import { OTHER } from "./lines.js";
import { reveal, ROW } from "./rows.js";

const MOST_ROWS = 20;
const FEWEST_ROWS = 8;
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
  wireColumns(view);
  view.observer = new ResizeObserver(() => show(view));
  return view;
}

function take(view, data) {
  view.data = data;
  view.weights = data.edges.getChildAt(0).toArray();
  view.keys = data.edges.getChildAt(1).toArray();
  view.looking = null;
  view.only = null;
  nameHeads(view, () => show(view));
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
  if (fresh || !samePlace(given, view.given)) {
    view.pinned = given;
    if (given) reveal(view, given);
  }
  view.given = given;
  show(view);
}
