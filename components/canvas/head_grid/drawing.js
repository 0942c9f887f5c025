// How the grid is drawn: lines of pictures kept as they are on the screen, outlines and names over them.

import { tell } from "./labels.js";
import { layOut, placeOf } from "./layout.js";

const EDGE = 3;  // two hairlines and the gap to the next picture
const HAIRLINE = 0.22;
const KEPT_SCREENS = 3;  // of painted lines

export function arrange(grid) {
  grid.layout = layOut(grid.data, grid.root.clientWidth || 360, grid.zoom);
  const { width, height } = grid.layout;
  grid.room.style.width = `${width}px`;
  grid.room.style.height = `${height}px`;
  const sharp = window.devicePixelRatio || 1;
  const colour = getComputedStyle(grid.root).color;
  const look = [grid.arranged, grid.layout.cell, grid.layout.columns, sharp, colour].join("/");
  if (look !== grid.look) grid.painted.clear();
  grid.look = look;
  const wide = Math.min(width, grid.scroll.clientWidth || width);
  const tall = Math.min(height, grid.scroll.clientHeight || height);
  const size = [Math.round(wide * sharp), Math.round(tall * sharp)];
  if (grid.canvas.width === size[0] && grid.canvas.height === size[1]) return;
  [grid.canvas.width, grid.canvas.height] = size;
  grid.canvas.style.width = `${wide}px`;
  grid.canvas.style.height = `${tall}px`;
}

export function soon(grid) {
  if (grid.frame) return;
  grid.frame = requestAnimationFrame(() => {
    tell(grid);
    draw(grid);
  });
}

// Where a picture of these sides lies in a square, as large as can be.
function fitted(columns, rows, left, top, side) {
  const scale = side / Math.max(columns, rows);
  const [wide, tall] = [columns * scale, rows * scale];
  return [left + (side - wide) / 2, top + (side - tall) / 2, wide, tall];
}

// A line of heads as it is on the screen; scrolling puts lines together and paints none anew.
function lineOf(grid, line) {
  const kept = grid.painted.get(line);
  if (kept) return kept;
  const { data, layout, mosaic } = grid;
  const { cell, pitch } = layout;
  const sharp = window.devicePixelRatio || 1;
  const strip = document.createElement("canvas");
  strip.width = Math.round(layout.columns * cell * sharp);
  strip.height = Math.round(pitch * sharp);
  const context = strip.getContext("2d");
  context.scale(sharp, sharp);
  context.imageSmoothingEnabled = data.columns > cell * sharp;
  const style = getComputedStyle(grid.root);
  context.font = `11px ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { index, column } of layout.lines[line]) {
    // Zero is the page's own colour, so a hairline says where a picture ends.
    context.globalAlpha = HAIRLINE;
    context.fillRect(column * cell, 0, cell - 1, cell - 1);
    context.globalAlpha = 1;
    const square = [column * cell + 1, 1, cell - EDGE];
    const place = data.picture
      ? fitted(data.picture.columns, data.picture.rows, ...square)
      : [...square, cell - EDGE];
    if (data.picture) {
      context.imageSmoothingEnabled = true;
      context.drawImage(grid.ground, ...place);
      context.imageSmoothingEnabled = data.columns > cell * sharp;
    }
    context.drawImage(
      mosaic.canvas, (index % mosaic.across) * data.columns, Math.floor(index / mosaic.across) * data.rows,
      data.columns, data.rows, ...place,
    );
    if (layout.flow) {
      const name = `${data.layers[index]}.${data.heads[index]}`;
      context.fillText(name, (column + 0.5) * cell, cell + (pitch - cell) / 2 - 1, cell);
    }
  }
  grid.painted.set(line, strip);
  return strip;
}

export function draw(grid) {
  cancelAnimationFrame(grid.frame);
  grid.frame = 0;
  const { layout, canvas, scroll } = grid;
  const { cell, pitch, gutter, header } = layout;
  const sharp = window.devicePixelRatio || 1;
  const wide = canvas.width / sharp;
  const tall = canvas.height / sharp;
  const left = scroll.scrollLeft;
  const top = scroll.scrollTop;
  const first = Math.max(0, Math.floor(top / pitch));
  const last = Math.min(layout.lines.length, Math.ceil((top + tall - header) / pitch));
  const context = canvas.getContext("2d");
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, wide, tall);
  context.save();
  context.beginPath();
  context.rect(gutter - 1, header - 1, wide, tall);
  context.clip();
  for (let line = first; line < last; line++) {
    const y = header + line * pitch - top;
    context.drawImage(lineOf(grid, line), gutter - left, y, layout.columns * cell, pitch);
  }
  outline(grid, context, left, top);
  context.restore();
  label(grid, context, first, last, left, top);
  const most = KEPT_SCREENS * (last - first + 1);
  if (grid.painted.size > most) {
    for (const line of grid.painted.keys()) if (line < first - most / 2 || line > last + most / 2) grid.painted.delete(line);
  }
}

function outline(grid, context, left, top) {
  const { layout, data, root } = grid;
  const { cell, pitch, gutter, header } = layout;
  const style = getComputedStyle(root);
  const page = style.getPropertyValue("--st-background-color") || "#fff";
  const frame = (index, colour, { dashes = [], ring = "" } = {}) => {
    const place = placeOf(layout, index);
    if (!place) return;
    const x = gutter + place.column * cell - left;
    const y = header + place.line * pitch - top;
    const thick = cell < 20 ? 2 : 3;
    if (ring) {
      // A thin line inside keeps the outline apart from pictures of its own hue.
      context.setLineDash([]);
      context.lineWidth = 1;
      context.strokeStyle = ring;
      context.strokeRect(x + thick + 0.5, y + thick + 0.5, cell - 2 * thick - 1, cell - 2 * thick - 1);
    }
    context.setLineDash(dashes);
    context.lineWidth = thick;
    context.strokeStyle = colour;
    context.strokeRect(x + thick / 2, y + thick / 2, cell - thick, cell - thick);
  };
  // The first, which the other panels show, has that line in the colour of text.
  grid.selected.forEach((index, at) => frame(index, data.colours[at], { ring: at ? page : style.color }));
  if (grid.hovered >= 0 && !grid.selected.includes(grid.hovered)) frame(grid.hovered, style.color);
  if (root.matches(":focus-visible") && grid.cursor >= 0 && grid.cursor !== grid.selected[0]) {
    frame(grid.cursor, style.color, { dashes: [4, 3] });
  }
  context.setLineDash([]);
}

// Layers at the left and heads at the top stay in sight.
function label(grid, context, first, last, left, top) {
  const { layout, root } = grid;
  if (layout.flow) return;
  const { cell, pitch, gutter, header } = layout;
  const style = getComputedStyle(root);
  const every = cell < 18 ? 4 : 1;
  context.font = `11px ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textBaseline = "middle";
  context.save();
  context.beginPath();
  context.rect(gutter, 0, grid.canvas.width, header);
  context.clip();
  context.textAlign = "center";
  for (let head = 0; head < layout.columns; head += every)
    context.fillText(head, gutter + (head + 0.5) * cell - left, header / 2);
  context.restore();
  context.save();
  context.beginPath();
  context.rect(0, header, gutter, grid.canvas.height);
  context.clip();
  context.textAlign = "right";
  for (let line = first; line < last; line++) {
    // Neighbours of other layers than the usual are named one by one where there is room.
    if (line % every === 0) context.fillText(layout.labels[line], gutter - 6, header + (line + 0.5) * pitch - top);
  }
  context.restore();
}
