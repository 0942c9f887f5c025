// The pictures of all heads, each painted once at its own resolution; what lies under them.

import { colourTable, halfBits, halfValues } from "../shared/paint.js";

const LIGHT = [255, 214, 10];
const MOST_LIGHT = 0.9;
const DIMMED = 0.7;

// Every picture once, at its own resolution, in a square; painting lines then only scales.
export function paintMosaic(data) {
  const { rows, columns } = data;
  const bits = halfBits(data.table);
  const colours = data.picture ? lightTable() : colourTable(data.palette, Math.sqrt, data.signed);
  const count = data.layers.length;
  const across = Math.ceil(Math.sqrt(count));
  const mosaic = document.createElement("canvas");
  mosaic.width = across * columns;
  mosaic.height = Math.ceil(count / across) * rows;
  const image = new ImageData(mosaic.width, mosaic.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let picture = 0, from = 0; picture < count; picture++) {
    const left = (picture % across) * columns;
    const top = Math.floor(picture / across) * rows;
    for (let row = 0; row < rows; row++) {
      let to = (top + row) * mosaic.width + left;
      for (let column = 0; column < columns; column++) pixels[to++] = colours[bits[from++]];
    }
  }
  mosaic.getContext("2d").putImageData(image, 0, 0);
  return { canvas: mosaic, across };
}

// Light over a picture: of one colour, clear where there is no weight.
function lightTable() {
  const table = new Uint32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const alpha = Math.round(255 * MOST_LIGHT * Math.min(1, Math.max(0, halfValues[bits] || 0)));
    table[bits] = (alpha << 24) | (LIGHT[2] << 16) | (LIGHT[1] << 8) | LIGHT[0];
  }
  return table;
}

// The picture that lies under every head, in grey, a little darker than it is.
export function paintGround({ picture, grey }) {
  const { rows, columns } = picture;
  const ground = document.createElement("canvas");
  ground.width = columns;
  ground.height = rows;
  const image = new ImageData(columns, rows);
  const shades = grey.getChildAt(0).toArray();
  for (let at = 0; at < shades.length; at++) {
    image.data.fill(Math.round(DIMMED * shades[at]), 4 * at, 4 * at + 3);
    image.data[4 * at + 3] = 255;
  }
  ground.getContext("2d").putImageData(image, 0, 0);
  return ground;
}
