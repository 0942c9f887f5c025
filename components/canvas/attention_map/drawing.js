// How the map is drawn: the pattern, the axes, the crosshair, the small map.

import { signedShare, threeDigits } from "../shared/paint.js";
import { drawRun, NAMED_FROM, shortened } from "../shared/plane.js";
import { TILE_SIDE } from "../shared/tile_store.js";
import { curveOf } from "./colours.js";
import { MARGIN, NARROW, smallMapOf } from "./geometry.js";

const TIME = /^\d+\.\d+ s$/;
const FRAME = "#d55e00";
const BRUSH = "#009e73";

export function paint(map) {
  const { canvas, geometry, sharp, data } = map;
  if (!geometry || !data || !map.coarse) return;
  const context = canvas.getContext("2d");
  const style = getComputedStyle(map.root);
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.font = `11px ${style.fontFamily}`;
  const done = drawPattern(context, geometry, map);
  drawAxes(context, geometry, map, style.color);
  drawBar(context, geometry, map, style.color);
  drawSmallMap(context, geometry, map, style.color);
  map.root.dataset.head = data.base.split("/").slice(-2).join(".");
  map.root.dataset.level = geometry.level(map.levels);
  map.root.dataset.state = done ? "sharp" : "coarse";
  map.root.dataset.seen = [...geometry.seen.rows, ...geometry.seen.columns].join(" ");
  paintOverlay(map);
  map.say();
}

export function paintOverlay(map) {
  const { overlay, geometry, sharp } = map;
  if (!geometry) return;
  const context = overlay.getContext("2d");
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, overlay.width, overlay.height);
  drawCrosshair(context, geometry, map.crosshair, FRAME);
  // What is hovered elsewhere is a query, a key, or one token that is both.
  if (map.linked) drawCrosshair(context, geometry, map.linked, BRUSH);
  drawSums(context, geometry, map);
}

export function pictureOf(tile, colours) {
  if (tile.colours === colours) return tile.picture;
  const picture = tile.picture ?? document.createElement("canvas");
  picture.width = tile.columns;
  picture.height = tile.rows;
  const image = new ImageData(tile.columns, tile.rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let index = 0; index < pixels.length; index++) pixels[index] = colours[tile.bits[index]];
  picture.getContext("2d").putImageData(image, 0, 0);
  tile.picture = picture;
  tile.colours = colours;
  return picture;
}

// Draw the pattern: what is coarse first, what is sharp over it. Returns whether all of it is sharp.
function drawPattern(context, geometry, map) {
  const { margin } = geometry;
  const last = map.levels - 1;
  const level = geometry.level(map.levels);
  context.save();
  context.beginPath();
  context.rect(margin.left, margin.top, geometry.width, geometry.height);
  context.clip();
  const whole = [geometry.left(0), geometry.top(0)];
  const size = [geometry.keys * geometry.cell.x, geometry.queries * geometry.cell.y];
  context.imageSmoothingEnabled = true;
  context.drawImage(map.coarse, ...whole, ...size);
  let sharp = true;
  for (let drawn = last; drawn >= level; drawn--) {
    const step = 2 ** drawn;
    const smooth = Math.max(geometry.cell.x, geometry.cell.y) * step < 1;
    context.imageSmoothingEnabled = smooth;
    for (const { row, column } of geometry.tiles(drawn)) {
      const tile = map.store.get(map.pooling, drawn, row, column);
      if (!tile) {
        if (drawn === level) sharp = false;
        continue;
      }
      context.drawImage(
        pictureOf(tile, map.colours),
        geometry.left(column * TILE_SIDE * step), geometry.top(row * TILE_SIDE * step),
        tile.columns * step * geometry.cell.x, tile.rows * step * geometry.cell.y,
      );
    }
  }
  context.restore();
  return sharp;
}

function drawAxes(context, geometry, map, ink) {
  const { margin, cell, seen } = geometry;
  context.fillStyle = ink;
  context.strokeStyle = ink;
  context.textBaseline = "middle";
  // Zero is the page's own colour, so a hairline says where the pattern ends.
  context.lineWidth = 1;
  context.globalAlpha = 0.22;
  context.strokeRect(margin.left - 0.5, margin.top - 0.5, geometry.width + 1, geometry.height + 1);
  context.globalAlpha = 1;
  drawRun(seen.rows, cell.y, (index) => {
    context.textAlign = "right";
    const y = geometry.top(index) + cell.y / 2;
    if (y > margin.top && y < margin.top + geometry.height)
      context.fillText(shortened(context, nameOf(map, "queries", index, cell.y), margin.left - 10), margin.left - 6, y);
  });
  drawRun(seen.columns, cell.x, (index) => {
    const x = geometry.left(index) + cell.x / 2;
    if (x < margin.left || x > margin.left + geometry.width) return;
    context.save();
    context.translate(x, margin.top - 6);
    context.rotate(-Math.PI / 2);
    context.textAlign = "left";
    context.fillText(shortened(context, nameOf(map, "keys", index, cell.x), margin.top - 24), 0, 0);
    context.restore();
  });
  context.textAlign = "left";
  context.globalAlpha = 0.7;
  context.fillText("keys (attended to) →", margin.left, 9);
  if (margin === MARGIN) {
    context.save();
    context.translate(9, margin.top + geometry.height);
    context.rotate(-Math.PI / 2);
    context.fillText("← queries (attend)", 0, 0);
    context.restore();
  } else context.fillText("↓ queries", 0, 9);
  context.globalAlpha = 1;
}

function nameOf(map, side, index, size) {
  const names = map.names?.[side];
  // Frames are counted by nobody: their time is their place.
  if (names && (size >= NAMED_FROM || TIME.test(names[index]))) return names[index];
  return index.toLocaleString("en");
}

// The bar that says which colour is which weight.
function drawBar(context, geometry, map, ink) {
  if (geometry.margin === NARROW) return;
  const { palette, scale, signed, unit, label } = map.data;
  const x = geometry.margin.left + geometry.width + 12;
  const tall = Math.min(180, geometry.height - 20);
  const top = geometry.margin.top + 16;
  for (let step = 0; step < tall; step++) {
    const index = 3 * Math.round(255 * (1 - step / tall));
    context.fillStyle = `rgb(${palette[index]},${palette[index + 1]},${palette[index + 2]})`;
    context.fillRect(x, top + step, 10, 1.5);
  }
  context.fillStyle = ink;
  context.textAlign = "left";
  context.fillText(label, x - 2, top - 16);
  const curve = curveOf(scale, map.largest);
  const above = scale === "log" ? [1, 0.1, 0.01, 0.001, 0.0001] : [1, 0.5, 0.2, 0.05, 0];
  const marks = signed ? [1, 0.2, 0, -0.2, -1] : above;
  for (const mark of marks) {
    const value = mark * map.largest;
    const share = signed ? signedShare(value, curve) : curve(value);
    context.fillText(twoDigits(value * unit), x + 14, top + tall * (1 - share));
  }
  context.globalAlpha = 0.7;
  context.fillText(scale === "log" ? "log" : "√ scale", x - 2, top + tall + 14);
  context.globalAlpha = 1;
}

// The bar has little room beside it.
function twoDigits(value) {
  return value === 0 || Math.abs(value) >= 0.001 ? threeDigits(value) : value.toExponential(0);
}

// The whole pattern in a corner, with a frame around what is seen.
function drawSmallMap(context, geometry, map, ink) {
  const place = smallMapOf(geometry);
  if (!place) return;
  context.globalAlpha = 0.92;
  context.imageSmoothingEnabled = true;
  context.drawImage(map.coarse, place.left, place.top, place.width, place.height);
  context.globalAlpha = 1;
  context.lineWidth = 1;
  context.strokeStyle = ink;
  context.strokeRect(place.left - 0.5, place.top - 0.5, place.width + 1, place.height + 1);
  const { rows, columns } = geometry.seen;
  const across = place.width / geometry.keys;
  const down = place.height / geometry.queries;
  context.lineWidth = 2;
  context.strokeStyle = FRAME;
  context.strokeRect(
    place.left + columns[0] * across, place.top + rows[0] * down,
    Math.max(3, (columns[1] - columns[0]) * across), Math.max(3, (rows[1] - rows[0]) * down),
  );
}

// Lines beside a query's row and a key's column, and a frame round the cell where they meet. Nothing lies on the row and
// the column themselves: a tint would read as another weight, of a map of both signs as one for the prediction.
function drawCrosshair(context, geometry, place, colour) {
  if (!place) return;
  const { margin, cell } = geometry;
  const x = place.key === undefined ? -1 : geometry.left(place.key);
  const y = place.query === undefined ? -1 : geometry.top(place.query);
  const [across, down] = [Math.max(1, cell.x), Math.max(1, cell.y)];
  context.save();
  context.beginPath();
  context.rect(0, 0, margin.left + geometry.width, margin.top + geometry.height);
  context.clip();
  context.strokeStyle = colour;
  context.fillStyle = colour;
  if (place.query !== undefined && y >= margin.top - cell.y) {
    context.fillRect(margin.left, y - 1, geometry.width, 1);
    context.fillRect(margin.left, y + down, geometry.width, 1);
  }
  if (place.key !== undefined && x >= margin.left - cell.x) {
    context.fillRect(x - 1, margin.top, 1, geometry.height);
    context.fillRect(x + across, margin.top, 1, geometry.height);
  }
  const cross = place.query !== undefined && place.key !== undefined;
  if (cross && cell.x >= 4) {
    context.lineWidth = 2;
    context.strokeRect(x - 1, y - 1, across + 2, down + 2);
  }
  context.restore();
}

// What a brushed span does with the other axis, as bars along it.
function drawSums(context, geometry, map) {
  const { brush, sums } = map;
  if (!brush) return;
  const { margin, cell } = geometry;
  context.save();
  context.fillStyle = BRUSH;
  context.globalAlpha = 0.3;
  const [first, last] = [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to) + 1];
  if (brush.side === "queries") context.fillRect(0, geometry.top(first), margin.left, (last - first) * cell.y);
  else context.fillRect(geometry.left(first), 0, (last - first) * cell.x, margin.top);
  context.globalAlpha = 0.85;
  if (sums && map.mostSummed) {
    const along = brush.side === "queries" ? geometry.seen.columns : geometry.seen.rows;
    const room = 44;
    const thick = Math.max(1, brush.side === "queries" ? cell.x : cell.y);
    // Several units share a pixel where they are small: the largest of them is drawn.
    const every = Math.max(1, Math.floor(1 / (brush.side === "queries" ? cell.x : cell.y)));
    for (let index = along[0]; index < along[1]; index += every) {
      let most = 0;
      for (let one = index; one < Math.min(along[1], index + every); one++) most = Math.max(most, Math.abs(sums[one]));
      const length = (room * most) / map.mostSummed;
      if (brush.side === "queries")
        context.fillRect(Math.max(margin.left, geometry.left(index)), margin.top + geometry.height - length, thick, length);
      else context.fillRect(margin.left, Math.max(margin.top, geometry.top(index)), length, thick);
    }
  }
  context.restore();
}
