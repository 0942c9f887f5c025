// Where every head of the grid stands: a line for each layer, or reading order where heads are sorted.

const GUTTER = 26;
const HEADER = 18;
const NAME = 14;  // height of a head's name below its picture
const NAMED = 36;  // width that a name such as 31.31 needs
const USUAL_NAMED = 48;
const SMALLEST = 12;
const USUAL = 24;  // where all lines do not fit anyway
const LARGEST = 96;
const LARGEST_UNASKED = 64;
const TALLEST = 560;  // what the page has room for without a scroll of its own
const BAR = 12;  // room for a thin scroll bar
const ZOOM = 1.35;

/* A layout is
     lines: of the heads in each [{ index, column }], index into the pictures
     columns, cell, pitch: cells of a line, their width, and from line to line
     gutter, header: what stands fast at the left and at the top
     width, height: of everything, in CSS pixels. */
export function layOut({ layers, heads, order, flow }, room, zoom) {
  const made = flow ? inReadingOrder(order, room, zoom) : byLayer({ layers, heads, order }, room, zoom);
  if (made.height <= TALLEST) return made;
  return flow ? inReadingOrder(order, room - BAR, zoom) : byLayer({ layers, heads, order }, room - BAR, zoom);
}

function byLayer({ layers, heads, order }, room, zoom) {
  const lines = [];
  const lineOf = new Map();
  for (const index of order) {
    if (!lineOf.has(layers[index])) lineOf.set(layers[index], lines.push([]) - 1);
    lines[lineOf.get(layers[index])].push({ index, column: heads[index] });
  }
  let columns = 1;
  for (const line of lines) for (const { column } of line) columns = Math.max(columns, column + 1);
  const wide = Math.floor((room - GUTTER - 2) / columns);
  const tall = Math.floor((TALLEST - HEADER - 4) / Math.max(1, lines.length));
  const fitting = Math.min(wide, LARGEST_UNASKED, tall < SMALLEST ? USUAL : tall);
  const cell = zoomed(fitting, zoom, SMALLEST);
  return {
    flow: false, lines, columns, cell, pitch: cell, gutter: GUTTER, header: HEADER,
    labels: lines.map((line) => layers[line[0].index]),
    width: GUTTER + columns * cell + 2, height: HEADER + lines.length * cell + 2,
  };
}

function inReadingOrder(order, room, zoom) {
  const wanted = zoomed(USUAL_NAMED, zoom, NAMED);
  const columns = Math.max(1, Math.min(order.length, Math.floor((room - 4) / wanted)));
  // A full line fills the width; a few heads stay as large as they are asked for.
  const cell = columns < order.length ? Math.floor((room - 4) / columns) : wanted;
  const lines = [];
  order.forEach((index, at) => {
    if (at % columns === 0) lines.push([]);
    lines[lines.length - 1].push({ index, column: at % columns });
  });
  const pitch = cell + NAME;
  return {
    flow: true, lines, columns, cell, pitch, gutter: 2, header: 2, labels: null,
    width: 4 + columns * cell, height: 4 + lines.length * pitch,
  };
}

function zoomed(size, zoom, smallest) {
  return Math.max(smallest, Math.min(LARGEST, Math.round(size * ZOOM ** zoom)));
}

// The picture at a point of the whole layout, or -1.
export function pictureAt(layout, x, y) {
  const line = layout.lines[Math.floor((y - layout.header) / layout.pitch)];
  const column = Math.floor((x - layout.gutter) / layout.cell);
  return line?.find((one) => one.column === column)?.index ?? -1;
}

// Line and place in it of a picture, or null where it is left out.
export function placeOf(layout, index) {
  for (let line = 0; line < layout.lines.length; line++) {
    const at = layout.lines[line].findIndex((one) => one.index === index);
    if (at >= 0) return { line, at, column: layout.lines[line][at].column };
  }
  return null;
}

// Whether all of what lies at `start` is seen in a room that is scrolled so far.
export function isInSight(start, size, scrolled, room) {
  return start >= scrolled && start + size <= scrolled + room;
}

// The picture that a key leads to from another; lines may be of different lengths, with gaps.
export function steppedTo(layout, index, key, whole, page) {
  const { lines } = layout;
  if (!lines.length) return -1;
  const here = placeOf(layout, index);
  const last = lines.length - 1;
  if (!here || (whole && key === "Home")) return lines[0][0].index;
  if (whole && key === "End") return lines[last][lines[last].length - 1].index;
  const line = lines[here.line];
  if (key === "Home") return line[0].index;
  if (key === "End") return line[line.length - 1].index;
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const at = here.at + (key === "ArrowLeft" ? -1 : 1);
    if (line[at]) return line[at].index;
    // Reading order goes on in the line below; the next layer is another thing.
    const next = layout.flow && lines[here.line + Math.sign(at)];
    return next ? next[at < 0 ? next.length - 1 : 0].index : index;
  }
  const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page }[key];
  const below = lines[Math.max(0, Math.min(last, here.line + step))];
  const away = (one) => Math.abs(one.column - here.column);
  return below.reduce((best, one) => (away(one) < away(best) ? one : best)).index;
}
