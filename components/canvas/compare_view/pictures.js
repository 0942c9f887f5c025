// What each panel is painted with: one pixel a cell, painted once and then only scaled.

const CURVES = { linear: (share) => share, root: Math.sqrt };
const TOLD = 256;  // steps of a bar

function pixel(red, green, blue) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function coloursOf(palette) {
  return Uint32Array.from({ length: 256 }, (_, step) => pixel(...palette.slice(3 * step, 3 * step + 3)));
}

// Each of these takes a cell's numbers of both sides and answers with its pixel. A cell that may not be looked
// at is -Infinity; NaN has no partner, and is left transparent for the hatching behind it.
function weightInk(data, which) {
  const colours = coloursOf(data.palette);
  const curve = CURVES[data.scale];
  const never = pixel(...data.never);
  return (...sides) => {
    const value = sides[which];
    if (Number.isNaN(value)) return 0;
    if (value === -Infinity) return never;
    return colours[Math.round(255 * curve(clamp(value / data.largest, 0, 1)))];
  };
}

function differenceInk(data) {
  const colours = coloursOf(data.diverging);
  const curve = CURVES[data.scale];
  const never = pixel(...data.never);
  return (first, second) => {
    const difference = differenceOf(first, second);
    if (Number.isNaN(difference)) return first === second ? never : 0;
    const share = clamp(difference / data.difference, -1, 1);
    return colours[Math.round(127.5 + 127.5 * Math.sign(share) * curve(Math.abs(share)))];
  };
}

// What both have is grey, what one has more is in its hue: as much of both has no hue at all.
function overlayInk(data) {
  const page = data.palette.slice(0, 3);
  const curve = CURVES[data.scale];
  const never = pixel(...data.never);
  const share = (value) => curve(clamp(value / data.largest, 0, 1));
  return (first, second) => {
    if (Number.isNaN(first) || Number.isNaN(second)) return 0;
    if (first === -Infinity && second === -Infinity) return never;
    const [a, b] = [share(first), share(second)];
    const both = Math.min(a, b);
    const more = Math.max(a, b) - both;
    const hue = data.hues[a > b ? 0 : 1];
    const mixed = (part) => Math.round(page[part] * (1 - both - more) + data.agreed[part] * both + hue[part] * more);
    return pixel(mixed(0), mixed(1), mixed(2));
  };
}

// Second minus first. What may not be looked at has no weight; where neither side may look it is no number,
// and so it is without a partner.
function differenceOf(first, second) {
  if (first === -Infinity && second === -Infinity) return NaN;
  return Math.max(second, 0) - Math.max(first, 0);
}

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
function paintPictures(view) {
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
function paintBar(canvas, data, kind) {
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
