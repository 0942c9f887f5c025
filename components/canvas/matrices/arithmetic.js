// What belongs to what: the cells that made a cell, the number that comes out of them, how a number is written.

// What belongs to a cell of the result: for each matrix before it, its row, its column, or one cell.
// `null` stands for all places along that side.
const MADE_OF = {
  product: (_, row, column) => [[row, null], [null, column]],
  sum: (grids, row, column) => grids.slice(0, -1).map(() => [row, column]),
  scale: (_, row, column) => [[row, column]],
  mask: (_, row, column) => [[row, column]],
  softmax: (_, row) => [[row, null]],
  join: (grids, row, column) => {
    const width = grids[0].cells[0].length;
    return grids.slice(0, -1).map((_, head) => (head === Math.floor(column / width) ? [row, column % width] : null));
  },
  none: () => [],
};

// The places of every matrix that belong to the one pointed at.
export function belonging(view) {
  const { grids, link } = view.data;
  const last = grids.length - 1;
  const { index, row, column } = view.at;
  if (index === last) return [...MADE_OF[link](grids, row, column), [row, column]];
  // Of a cell before: everything that it goes into.
  const marks = grids.map(() => null);
  marks[index] = [row, column];
  if (link === "product") marks[last] = index === 0 ? [row, null] : [null, column];
  else if (link === "softmax") marks[last] = [row, null];
  else if (link === "join") marks[last] = [row, index * grids[0].cells[0].length + column];
  else if (link !== "none") marks[last] = [row, column];
  return marks;
}

// The cell that an arrow key leads to; a walk begins at the first.
export function steppedTo(cells, here, [down, right]) {
  if (!here) return { row: 0, column: 0 };
  const inside = (value, count) => Math.max(0, Math.min(count - 1, value));
  return { row: inside(here.row + down, cells.length), column: inside(here.column + right, cells[0].length) };
}

// What comes out of the numbers as they are written: rounded, they need not give the rounded result.
export function reckoned(view) {
  const { grids, link } = view.data;
  const { index, row, column } = view.at;
  const read = (from, at, beside) => Number(written(grids[from].cells[at][beside], grids[from].digits).replace("−", "-"));
  const before = grids[0].cells[row];
  const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);
  return {
    product: () => sum(before.map((_, inner) => read(0, row, inner) * read(1, inner, column))),
    sum: () => sum(grids.slice(0, -1).map((_, from) => read(from, row, column))),
    scale: () => (before[column] ? (read(0, row, column) * grids[index].cells[row][column]) / before[column] : 0),
    softmax: () => {
      const powers = before.map((other, inner) => (other === null ? 0 : Math.exp(read(0, row, inner))));
      return powers[column] / sum(powers);
    },
  }[link]();
}

// As many decimals as all numbers of a matrix need, two at most.
export function digitsOf(cells) {
  const numbers = cells.flat().filter((number) => number !== null);
  return [0, 1].find((digits) => numbers.every((number) => Math.abs(number - Number(number.toFixed(digits))) < 1e-9)) ?? 2;
}

export function written(number, digits) {
  if (number === null) return "−∞";
  const size = Math.abs(number);
  const text = size >= 1e4 ? number.toExponential(0) : number.toFixed(size >= 100 ? 0 : size >= 10 ? Math.min(1, digits) : digits);
  return text.replace(/^-(0(\.0*)?)$/, "$1").replace("-", "−");
}
