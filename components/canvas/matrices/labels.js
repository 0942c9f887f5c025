// The sum behind a cell, with its numbers.

import { reckoned, written } from "./arithmetic.js";

export const HINT = "Point at a number, or walk with the arrow keys, to see what made it.";

export function sentence(view) {
  const { grids, link, words, first } = view.data;
  const { index, row, column } = view.at;
  const grid = grids[index];
  const say = (from, at, beside) => written(grids[from].cells[at][beside], grids[from].digits);
  const place = `${grid.name} [${named(grid.rows, row, first)}, ${grid.columns ? named(grid.columns, column, first) : column + first}]`;
  const result = say(index, row, column);
  if (index < grids.length - 1 || link === "join" || link === "none") return `${place} = ${result}`;
  const before = grids[0].cells[row];
  if (link === "mask") {
    return `${place}: ${grid.cells[row][column] === null ? "it comes later, so it may not be attended to" : "it may be attended to, so its score stays"}`;
  }
  const exponent = (inner) => `e^${say(0, row, inner)}`;
  const terms = {
    product: () => before.map((_, inner) => `${say(0, row, inner)} × ${say(1, inner, column)}`).join(" + "),
    sum: () => grids.slice(0, -1).map((_, from) => say(from, row, column)).join(" + "),
    scale: () => `${say(0, row, column)} ${words}`,
    softmax: () => {
      const summed = before.flatMap((other, inner) => (other === null ? [] : [exponent(inner)]));
      return `${exponent(column)} / (${summed.join(" + ")})`;
    },
  }[link]();
  const sign = written(reckoned(view), grid.digits) === result ? "=" : "≈";
  return `${place} = ${terms} ${sign} ${result}`;
}

// A label, and its place where others are called the same.
export function named(labels, index, first) {
  const label = labels[index];
  return labels.filter((other) => other === label).length > 1 ? `${label} (${index + first})` : label;
}
