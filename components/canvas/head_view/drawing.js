// The lines between the two columns, and what stands where they leave the picture.

import { tell } from "./labels.js";
import { linesOf } from "./lines.js";
import { inSight, layRows, ROW } from "./rows.js";

export function soon(view) {
  cancelAnimationFrame(view.frame);
  view.frame = requestAnimationFrame(() => show(view));
}

export function show(view) {
  if (!view.data) return;
  const place = view.hovered ?? view.pinned;
  let lines = [];
  if (place) lines = linesOf(view, place);
  else {
    const [first, last] = inSight(view.columns.query);
    for (let index = first; index < last; index++) lines.push(...linesOf(view, { side: "query", index }));
  }
  lines.sort((a, b) => a.weight - b.weight);
  for (const side of ["query", "key"]) layRows(view, side, place, lines);
  draw(view, lines, place ? 0.35 : 0.03);
  tell(view, place, lines);
}

// A line is the denser the larger its weight; `faintest` is the opacity of a weight of nothing.
function draw(view, lines, faintest) {
  const { canvas, columns, data } = view;
  const sharp = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  const context = canvas.getContext("2d");
  context.scale(sharp, sharp);
  // Lines of several heads between the same two tokens lie side by side.
  const apart = Math.min(3, (ROW - 8) / data.heads.length);
  const ends = { query: new Ends(columns.query, height), key: new Ends(columns.key, height) };
  for (const { head, query, key, weight } of lines) {
    const aside = (head - (data.heads.length - 1) / 2) * apart;
    const [from, here] = ends.query.of(query);
    const [to, there] = ends.key.of(key);
    context.globalAlpha = faintest + (1 - faintest) * Math.sqrt(Math.min(1, weight));
    context.strokeStyle = data.heads[head].colour;
    context.lineWidth = 1 + 2 * weight;
    context.setLineDash(here && there ? [] : [5, 4]);
    context.beginPath();
    context.moveTo(0, from + aside);
    context.bezierCurveTo(width / 2, from + aside, width / 2, to + aside, width, to + aside);
    context.stroke();
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
  for (const [side, x, align] of [["query", 4, "left"], ["key", width - 4, "right"]]) {
    mark(view, context, `▲ ${ends[side].above.toLocaleString()}`, ends[side].above, x, 9, align);
    mark(view, context, `▼ ${ends[side].below.toLocaleString()}`, ends[side].below, x, height - 9, align);
  }
}

// Say at an edge how many lines go on beyond it.
function mark(view, context, words, count, x, y, align) {
  if (!count) return;
  const style = getComputedStyle(view.root);
  context.font = `11px ${style.fontFamily}`;
  context.textBaseline = "middle";
  context.textAlign = align;
  const wide = context.measureText(words).width;
  context.fillStyle = style.getPropertyValue("--st-background-color") || "#fff";
  context.fillRect((align === "left" ? x : x - wide) - 3, y - 8, wide + 6, 16);
  context.fillStyle = style.color;
  context.fillText(words, x, y);
}

// Where lines end on one side, and how many end out of sight.
class Ends {
  constructor(column, height) {
    this.top = column.holder.scrollTop;
    this.height = height;
    this.above = 0;
    this.below = 0;
  }

  of(index) {
    const y = (index + 0.5) * ROW - this.top;
    if (y < 0) this.above++;
    else if (y > this.height) this.below++;
    else return [y, true];
    return [y < 0 ? 2 : this.height - 2, false];
  }
}
