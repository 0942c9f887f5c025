// Where the cells of the map lie: its margins, the level and the tiles that are seen, the small map in a corner.

import { clamp, Plane } from "../shared/plane.js";
import { TILE_SIDE } from "../shared/tile_store.js";

export const MARGIN = { left: 96, top: 76, right: 62, bottom: 8 };
export const NARROW = { left: 60, top: 60, right: 8, bottom: 8 };
const NARROW_BELOW = 520;
const LARGEST_CELL = 28;  // pixels
const MINIMAP = 92;
const AROUND = 12;  // units to each side of a cell that is gone to
const CELL_SHOWN = 4;  // pixels that it has at least
const PAGES = 0.25;  // how far an arrow key with Shift moves, of what is seen
const MOST_SEEN = 256;  // tiles of a level; more than are kept would never all be there

function marginsOf(width) {
  return width < NARROW_BELOW ? NARROW : MARGIN;
}

// The map's plane, and the tiles that lie in it.
export class Geometry extends Plane {
  // sharp: pixels of the screen in one of the page.
  constructor(width, height, sharp, { queries, keys }) {
    const margin = marginsOf(width);
    super({
      margin, queries, keys, largest: LARGEST_CELL,
      width: Math.max(40, width - margin.left - margin.right),
      height: Math.max(40, height - margin.top - margin.bottom),
    });
    this.sharp = sharp;
  }

  // The finest level at which a cell is no smaller than a pixel of the screen; a coarser one where few
  // queries look at so many keys, or many at few, that those are too many tiles.
  level(levels) {
    const finest = Math.max(this.cell.x, this.cell.y) * this.sharp;
    let level = clamp(Math.ceil(-Math.log2(finest)), 0, levels - 1);
    while (level < levels - 1 && this.tileCount(level) > MOST_SEEN) level++;
    return level;
  }

  tileCount(level) {
    const size = TILE_SIDE * 2 ** level;
    const { rows, columns } = this.seen;
    const along = ([start, stop]) => Math.ceil(stop / size) - Math.floor(start / size);
    return along(rows) * along(columns);
  }

  // Which tiles of a level are seen, those in the middle first.
  tiles(level) {
    const size = TILE_SIDE * 2 ** level;
    const { rows, columns } = this.seen;
    const middle = [(rows[0] + rows[1]) / 2 / size - 0.5, (columns[0] + columns[1]) / 2 / size - 0.5];
    const found = [];
    for (let row = Math.floor(rows[0] / size); row * size < rows[1]; row++)
      for (let column = Math.floor(columns[0] / size); column * size < columns[1]; column++)
        found.push({ row, column, far: Math.hypot(row - middle[0], column - middle[1]) });
    return found.sort((one, other) => one.far - other.far);
  }

  // These are spans to be shown: the first query and the one after the last, and so of the keys.
  get whole() {
    return [0, this.queries, 0, this.keys];
  }

  // Near enough that the cell is seen, also where one axis is many times as long as the other.
  around({ query, key }) {
    const { unit, width, height } = this;
    const nearest = CELL_SHOWN / Math.min(unit.x, unit.y);
    const half = { query: Math.min(AROUND, height / unit.y / nearest / 2), key: Math.min(AROUND, width / unit.x / nearest / 2) };
    return [query + 0.5 - half.query, query + 0.5 + half.query, key + 0.5 - half.key, key + 0.5 + half.key];
  }

  // What is seen, with a point of the pattern in its middle.
  centredOn({ query, key }) {
    const { rows, columns } = this.seen;
    const half = [(rows[1] - rows[0]) / 2, (columns[1] - columns[0]) / 2];
    return [query - half[0], query + half[0], key - half[1], key + half[1]];
  }

  // What is seen, a part of its own size further.
  paged([down, right]) {
    const { rows, columns } = this.seen;
    return this.shifted(down * (rows[1] - rows[0]) * PAGES, right * (columns[1] - columns[0]) * PAGES);
  }

  // What is seen, as little further as brings a cell into sight; null where it is.
  following({ query, key }) {
    const { rows, columns } = this.seen;
    const shift = ([start, stop], at) => (at < start ? at - start : at >= stop ? at - stop + 1 : 0);
    const [down, right] = [shift(rows, query), shift(columns, key)];
    return down || right ? this.shifted(down, right) : null;
  }

  shifted(down, right) {
    const { rows, columns } = this.seen;
    return [rows[0] + down, rows[1] + down, columns[0] + right, columns[1] + right];
  }

  // The cell that an arrow key leads to. Where a cell is smaller than a pixel, a step is as long as one
  // that can be seen.
  steppedTo(place, [down, right]) {
    const far = (size) => Math.max(1, Math.round(2 / size));
    return this.moved(place, down * far(this.cell.y), right * far(this.cell.x));
  }
}

export function smallMapOf(geometry) {
  if (geometry.zoom.k <= 1.01) return null;
  const shrunk = Math.min(MINIMAP, geometry.width / 5) / Math.max(geometry.queries, geometry.keys);
  const width = Math.max(12, geometry.keys * shrunk);
  const height = Math.max(12, geometry.queries * shrunk);
  return {
    left: geometry.margin.left + geometry.width - width - 8, top: geometry.margin.top + 8, width, height,
  };
}

export function within(box, { x, y }) {
  return x >= box.left && y >= box.top && x <= box.left + box.width && y <= box.top + box.height;
}
