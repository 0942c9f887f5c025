// What each panel is painted with: one pixel a cell, painted once and then only scaled.

import { differenceInk, overlayInk, weightInk } from "./colours.js";

const TOLD = 256;  // steps of a bar

function picture(rows, columns, inkAt) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < pixels.length; at++) pixels[at] = inkAt(at);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function pictureOfCells(view, ink) {
  const { first, second, rows, columns } = view.cells;
  return picture(rows, columns, (at) => ink(first[at], second[at]));
}

// The pictures of the panels; those that show the same as before are kept.
export function paintPictures(view) {
  const { data } = view;
  const kept = view.pictures;
  const same = [data.values, data.scale, data.largest, data.palette.join(), data.never.join()].join("/");
  if (kept?.same !== same) {
    view.pictures = { same, sides: [0, 1].map((which) => pictureOfCells(view, weightInk(data, which))) };
  }
  if (data.mode === "flicker") return;
  const third = [same, data.mode, data.difference, data.diverging.join(), data.hues.join()].join("/");
  if (view.pictures.thirdIs === third) return;
  const ink = data.mode === "difference" ? differenceInk(data) : overlayInk(data);
  view.pictures.third = pictureOfCells(view, ink);
  view.pictures.thirdIs = third;
}

// A bar's colours come out of the same ink as the cells'. `share` runs along the bar, 0 to 1.
export function paintBar(canvas, data, kind) {
  const back = (share) => (data.scale === "root" ? share * share : share);
  const along = (at) => (at % TOLD) / (TOLD - 1);
  let made;
  if (kind === "difference") {
    const ink = differenceInk(data);
    made = picture(1, TOLD, (at) => {
      const share = 2 * along(at) - 1;
      const size = back(Math.abs(share)) * data.difference;
      return share < 0 ? ink(size, 0) : ink(0, size);
    });
  } else if (kind === "overlay") {
    const ink = overlayInk(data);
    made = picture(3, TOLD, (at) => {
      const value = back(along(at)) * data.largest;
      const line = Math.floor(at / TOLD);
      return ink(line === 1 ? 0 : value, line === 0 ? 0 : value);
    });
  } else {
    const ink = weightInk(data, 0);
    made = picture(1, TOLD, (at) => ink(back(along(at)) * data.largest));
  }
  canvas.width = made.width;
  canvas.height = made.height;
  canvas.getContext("2d").drawImage(made, 0, 0);
}
