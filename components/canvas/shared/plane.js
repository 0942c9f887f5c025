// A plane of cells that is zoomed and moved: rows are queries, columns are keys. Where a cell lies, and
// which names have room beside an axis.

// Rows down and columns right, by the key that is pressed.
export const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
export const NAMED_FROM = 11;  // pixels a cell needs to bear its unit's name

// x is the key, y the query. The zoom is d3's: of the canvas as a whole, margins included.
export class Plane {
  // largest: pixels of a cell that is zoomed in on as far as it goes.
  constructor({ margin, width, height, queries, keys, largest }) {
    this.margin = margin;
    this.width = width;
    this.height = height;
    this.queries = queries;
    this.keys = keys;
    this.largest = largest;
    this.unit = { x: width / keys, y: height / queries };
    this.zoom = { k: 1, x: 0, y: 0 };
  }

  get cell() {
    return { x: this.unit.x * this.zoom.k, y: this.unit.y * this.zoom.k };
  }

  get closest() {
    return Math.max(1, this.largest / Math.min(this.unit.x, this.unit.y));
  }

  get box() {
    const { left, top } = this.margin;
    return [[left, top], [left + this.width, top + this.height]];
  }

  left(key) {
    return this.zoom.x + this.zoom.k * (this.margin.left + key * this.unit.x);
  }

  top(query) {
    return this.zoom.y + this.zoom.k * (this.margin.top + query * this.unit.y);
  }

  at(x, y) {
    const { k } = this.zoom;
    const key = Math.floor(((x - this.zoom.x) / k - this.margin.left) / this.unit.x);
    const query = Math.floor(((y - this.zoom.y) / k - this.margin.top) / this.unit.y);
    return { query: clamp(query, 0, this.queries - 1), key: clamp(key, 0, this.keys - 1) };
  }

  inside(x, y) {
    const { left, top } = this.margin;
    return x >= left && y >= top && x < left + this.width && y < top + this.height;
  }

  // The cell so many rows below and columns right of another, or the last before the edge.
  moved({ query, key }, down, right) {
    return { query: clamp(query + down, 0, this.queries - 1), key: clamp(key + right, 0, this.keys - 1) };
  }

  // How many pixels a cell, or a row where no key is told, would have to move to be in sight.
  outOfSight({ query, key }) {
    const { margin, cell } = this;
    const missing = (start, size, least, most) => Math.max(0, least - start) - Math.max(0, start + size - most);
    return {
      down: missing(this.top(query), cell.y, margin.top, margin.top + this.height),
      right: key === undefined ? 0 : missing(this.left(key), cell.x, margin.left, margin.left + this.width),
    };
  }

  get seen() {
    const start = this.at(this.margin.left, this.margin.top);
    const stop = this.at(
      this.margin.left + this.width - 0.01, this.margin.top + this.height - 0.01,
    );
    return { rows: [start.query, stop.query + 1], columns: [start.key, stop.key + 1] };
  }

  // The zoom at which a span of queries and of keys is as large as it fits, in the middle.
  zoomTo([rowStart, rowStop, columnStart, columnStop]) {
    const tall = Math.max(0.1, rowStop - rowStart);
    const wide = Math.max(0.1, columnStop - columnStart);
    const k = clamp(
      Math.min(this.width / (wide * this.unit.x), this.height / (tall * this.unit.y)), 1, this.closest,
    );
    const { left, top } = this.margin;
    const [right, bottom] = this.box[1];
    // d3 keeps what a hand moves inside the plane; what is moved from here keeps itself there.
    const x = clamp(
      left + this.width / 2 - k * (left + this.unit.x * (columnStart + wide / 2)),
      right * (1 - k), left * (1 - k),
    );
    const y = clamp(
      top + this.height / 2 - k * (top + this.unit.y * (rowStart + tall / 2)),
      bottom * (1 - k), top * (1 - k),
    );
    return { k, x, y };
  }
}

export function clamp(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

// Every unit where there is room for its name, else those at round numbers, so many pixels apart.
export function drawRun([start, stop], size, draw, apart = 34) {
  let every = 1;
  if (size < NAMED_FROM) {
    const least = apart / size;
    every = 10 ** Math.ceil(Math.log10(least));
    for (const share of [5, 2]) if (every / share >= least) { every /= share; break; }
    every = Math.max(1, Math.round(every));
  }
  for (let index = Math.ceil(start / every) * every; index < stop; index += every) draw(index);
}

export function shortened(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let shorter = text;
  while (shorter.length > 1 && context.measureText(`${shorter}…`).width > room)
    shorter = [...shorter].slice(0, -1).join("");
  return `${shorter}…`;
}
