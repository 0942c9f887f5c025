// How a panel is drawn: hatching where there is no partner, the picture over it, axes, marks.

import { clamp, drawRun, NAMED_FROM, Plane, shortened } from "../shared/plane.js";
import { joined } from "./labels.js";

const LARGEST_SEEN = 40;  // pixels of a cell
const TALLEST_PANEL = 460;
const LEAST_TALL = 120;
const AXIS_TITLE = 18;  // pixels that the name of an axis takes beside the labels
const LABEL_GAP = 6;
const LONGEST = { wide: 88, narrow: 68 };
const NARROW_PANEL = 330;
const LABELS_APART = 13;
const FAINT = 0.68;  // opacity of the label of what has no partner
const THINNEST = 4;  // pixels that a frame has room in
const HATCH = 7;  // pixels from line to line

// Margins are as wide as the longest label needs, up to a bound: nothing moves when one zooms.
function marginOf(view, width) {
  const context = view.panels[0].canvas.getContext("2d");
  context.font = fontOf(view, "bold");
  const most = width < NARROW_PANEL ? LONGEST.narrow : LONGEST.wide;
  const room = (units) => {
    let longest = 20;
    for (const { labels } of units) {
      longest = Math.max(longest, context.measureText(joined(labels)).width);
      if (longest > most) return most;
    }
    return Math.ceil(longest);
  };
  return { left: AXIS_TITLE + room(view.rows) + LABEL_GAP, top: AXIS_TITLE + room(view.columns) + LABEL_GAP, right: 2, bottom: 2 };
}

// Cells are square unless a pattern is many times as wide as it is tall.
export function planeOf(view, width) {
  const margin = marginOf(view, width);
  const [queries, keys] = [view.rows.length, view.columns.length];
  const across = Math.min(LARGEST_SEEN, Math.max(40, width - margin.left - margin.right) / keys);
  const tall = clamp(across * queries, Math.min(LEAST_TALL, LARGEST_SEEN * queries), TALLEST_PANEL);
  return new Plane({ margin, queries, keys, largest: LARGEST_SEEN, width: across * keys, height: tall });
}

function fontOf(view, face = "") {
  return `${face} 11px ${view.style.fontFamily}`;
}

function cleared(view, canvas) {
  const context = canvas.getContext("2d");
  context.setTransform(view.sharp, 0, 0, view.sharp, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.font = fontOf(view);
  return context;
}

function clippedTo(context, { margin, width, height }) {
  context.save();
  context.beginPath();
  context.rect(margin.left, margin.top, width, height);
  context.clip();
}

export function drawPanel(view, panel) {
  const { plane, style, sharp } = view;
  const { margin, cell, width, height } = plane;
  const context = cleared(view, panel.canvas);
  clippedTo(context, plane);
  if (view.holes) {
    context.fillStyle = hatchOf(view);
    context.fillRect(margin.left, margin.top, width, height);
  }
  // Cells keep their edges; only where they are smaller than a pixel are they blended.
  context.imageSmoothingEnabled = Math.min(cell.x, cell.y) * sharp < 1;
  context.drawImage(
    pictureIn(view, panel.index), plane.left(0), plane.top(0), plane.keys * cell.x, plane.queries * cell.y,
  );
  context.restore();
  context.strokeStyle = style.color;
  context.globalAlpha = 0.22;
  context.strokeRect(margin.left - 0.5, margin.top - 0.5, width + 1, height + 1);
  context.globalAlpha = 1;
  drawNames(context, view, panel.index);
}

function pictureIn(view, index) {
  const { sides, third } = view.pictures;
  if (index < 2) return sides[index];
  return view.data.mode === "flicker" ? sides[view.shown] : third;
}

// Lines across a grey that is lighter than that of what may not be looked at.
function hatchOf(view) {
  const { data, sharp, style } = view;
  const kept = [data.never.join(), sharp, style.color].join("/");
  if (view.hatch?.kept === kept) return view.hatch.pattern;
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.round(HATCH * sharp);
  const context = tile.getContext("2d");
  const mixed = data.never.map((part, at) => Math.round((part + data.palette[at]) / 2));
  context.fillStyle = `rgb(${mixed})`;
  context.fillRect(0, 0, tile.width, tile.width);
  context.strokeStyle = style.color;
  context.globalAlpha = 0.22;
  context.lineWidth = sharp;
  context.beginPath();
  for (const shift of [-1, 0, 1]) {
    context.moveTo((shift - 0.5) * tile.width, 1.5 * tile.width);
    context.lineTo((shift + 1.5) * tile.width, -0.5 * tile.width);
  }
  context.stroke();
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / sharp));
  view.hatch = { kept, pattern };
  return pattern;
}

// The name of a row beside it, of a column over it, faint where it has no partner.
function drawRowName(context, view, index) {
  const { plane } = view;
  const room = plane.margin.left - AXIS_TITLE - LABEL_GAP;
  const y = plane.top(index) + plane.cell.y / 2;
  if (y < plane.margin.top || y > plane.margin.top + plane.height) return;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillText(shortened(context, joined(view.rows[index].labels), room), plane.margin.left - LABEL_GAP, y);
}

function drawColumnName(context, view, index) {
  const { plane } = view;
  const room = plane.margin.top - AXIS_TITLE - LABEL_GAP;
  const x = plane.left(index) + plane.cell.x / 2;
  if (x < plane.margin.left || x > plane.margin.left + plane.width) return;
  context.save();
  context.translate(x, plane.margin.top - LABEL_GAP);
  context.rotate(-Math.PI / 2);
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(shortened(context, joined(view.columns[index].labels), room), 0, 0);
  context.restore();
}

function drawNames(context, view, panel) {
  const { plane, style } = view;
  const { margin, cell, seen } = plane;
  const there = (unit) => (panel < 2 ? unit.there[panel] : unit.there[0] && unit.there[1]);
  context.fillStyle = style.color;
  const dressed = (unit) => {
    context.globalAlpha = there(unit) ? 1 : FAINT;
    context.font = fontOf(view, there(unit) ? "" : "italic");
  };
  drawRun(seen.rows, cell.y, (index) => {
    dressed(view.rows[index]);
    drawRowName(context, view, index);
  }, LABELS_APART);
  drawRun(seen.columns, cell.x, (index) => {
    dressed(view.columns[index]);
    drawColumnName(context, view, index);
  }, LABELS_APART);
  context.font = fontOf(view);
  context.globalAlpha = 0.75;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillText("key (attended to) →", margin.left, 8);
  context.save();
  context.translate(8, margin.top);
  context.rotate(-Math.PI / 2);
  context.textAlign = "right";
  context.fillText("← query (attends)", 0, 0);
  context.restore();
  context.globalAlpha = 1;
}

// The chosen row, the crosshair, and the names of the row and the column that it stands in.
export function drawMarks(view, panel) {
  const { cursor, row } = view;
  const context = cleared(view, panel.over);
  if (row !== null) outlineRow(context, view, row);
  if (cursor) drawCross(context, view, cursor);
  for (const index of new Set([row ?? -1, cursor?.query ?? -1])) if (index >= 0) nameOver(context, view, index, true);
  if (cursor) nameOver(context, view, cursor.key, false);
}

// Frames around the row, the column and the cell, which leave all colours as they are.
function drawCross(context, view, { query, key }) {
  const { margin, cell, width, height } = view.plane;
  const [x, y] = [view.plane.left(key), view.plane.top(query)];
  clippedTo(context, view.plane);
  frame(context, view, [margin.left - 4, y, width + 8, cell.y], 1);
  frame(context, view, [x, margin.top - 4, cell.x, height + 8], 1);
  frame(context, view, [x, y, cell.x, cell.y], 2);
  context.restore();
}

function outlineRow(context, view, row) {
  const { margin, cell, width } = view.plane;
  clippedTo(context, view.plane);
  frame(context, view, [margin.left + 1, view.plane.top(row), width - 2, cell.y], 2);
  context.restore();
}

// A line in the text's colour with the page's own beside it, so that it is seen on every colour.
// What is too thin for a frame is one line.
function frame(context, view, [x, y, width, height], thick) {
  const [wide, tall] = [width, height].map((size) => (size < THINNEST ? 0 : size));
  const box = [x + (width - wide) / 2, y + (height - tall) / 2, wide, tall];
  for (const [colour, line] of [[view.page, thick + 2], [view.style.color, thick]]) {
    context.strokeStyle = colour;
    context.globalAlpha = colour === view.page ? 0.75 : 1;
    context.lineWidth = line;
    context.strokeRect(...box);
  }
  context.globalAlpha = 1;
}

// A name in bold, with room made for it among the others.
function nameOver(context, view, index, isRow) {
  const { plane, style, page } = view;
  const { margin, cell } = plane;
  const at = (isRow ? plane.top(index) : plane.left(index)) + (isRow ? cell.y : cell.x) / 2;
  const start = isRow ? margin.top : margin.left;
  if (at < start || at > start + (isRow ? plane.height : plane.width)) return;
  // Where only some are named, a frame tells this name from those that it covers.
  const size = isRow ? cell.y : cell.x;
  const alone = size < NAMED_FROM;
  const half = alone ? LABELS_APART / 2 + 1 : Math.min(LABELS_APART, size) / 2;
  const from = AXIS_TITLE - 2;
  const box = isRow ? [from, at - half, margin.left - from - 3, 2 * half] : [at - half, from, 2 * half, margin.top - from - 3];
  context.font = fontOf(view, "bold");
  context.fillStyle = page;
  context.fillRect(...box);
  context.fillStyle = context.strokeStyle = style.color;
  context.lineWidth = 1;
  if (alone) context.strokeRect(...box);
  if (isRow) drawRowName(context, view, index);
  else drawColumnName(context, view, index);
}
