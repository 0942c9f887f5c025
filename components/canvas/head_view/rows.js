// The rows of a column of tokens; only those in sight exist.

import { samePlace } from "../shared/linked.js";
import { threeDigits } from "../shared/paint.js";

export const ROW = 22;

export function inSight(column) {
  const first = Math.max(0, Math.floor(column.holder.scrollTop / ROW));
  const last = Math.ceil((column.holder.scrollTop + column.holder.clientHeight) / ROW);
  return [first, Math.min(column.count, last)];
}

export function reveal(view, { side, index }) {
  const { holder } = view.columns[side];
  const top = index * ROW;
  const height = holder.clientHeight;
  if (top < holder.scrollTop || top + ROW > holder.scrollTop + height) {
    holder.scrollTop = top - Math.floor(height / 2 / ROW) * ROW;
  }
}

// The row that a key leads to from another, or null where it leads nowhere.
export function steppedTo(key, from, { holder, count }) {
  const page = Math.floor(holder.clientHeight / ROW) - 1;
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (!Object.hasOwn(steps, key)) return null;
  // A first step begins at the first row in sight.
  const start = from ?? Math.ceil(holder.scrollTop / ROW) - Math.sign(steps[key]);
  return Math.max(0, Math.min(count - 1, start + steps[key]));
}

// Fill as many rows as are in sight, each with the token that stands there.
export function layRows(view, side, place, lines) {
  const column = view.columns[side];
  const [first, last] = inSight(column);
  const size = Math.ceil((column.holder.clientHeight || 1) / ROW) + 2;
  while (column.pool.length < size) column.pool.push(newRow(column));
  const ends = new Map();
  if (place && place.side !== side) {
    for (const line of lines) {
      if (!ends.has(line[side])) ends.set(line[side], []);
      ends.get(line[side]).unshift(line);
    }
  }
  const used = new Set();
  for (let index = first; index < last; index++) {
    const row = column.pool[index % column.pool.length];
    used.add(row);
    if (row.index !== index || row.labels !== column.labels) fillRow(column, row, index);
    row.element.hidden = false;
    const here = { side, index };
    const own = ends.get(index) ?? [];
    row.element.setAttribute("aria-selected", samePlace(here, view.pinned));
    row.element.classList.toggle("pinned", samePlace(here, view.pinned));
    row.element.classList.toggle("hovered", samePlace(here, view.hovered));
    row.element.classList.toggle("linked", view.linked?.[side] === index);
    row.element.classList.toggle("aside", Boolean(place) && !own.length && !samePlace(here, place));
    row.numbers.replaceChildren(...own.map((line) => {
      const number = document.createElement("b");
      number.textContent = threeDigits(line.weight);
      number.style.borderColor = view.data.heads[line.head].colour;
      return number;
    }));
  }
  for (const row of column.pool) if (!used.has(row)) row.element.hidden = true;
  const active = view.hovered?.side === side ? view.hovered : null;
  if (active) column.holder.setAttribute("aria-activedescendant", `${side}-${active.index}`);
  else column.holder.removeAttribute("aria-activedescendant");
}

function newRow(column) {
  const element = document.createElement("div");
  element.className = "row";
  element.setAttribute("role", "option");
  const [label, numbers, at] = ["bdi", "span", "small"].map((tag) => document.createElement(tag));
  label.dir = "auto";
  numbers.className = "numbers";
  element.append(label, numbers, at);
  column.spacer.append(element);
  return { element, label, numbers, at, index: -1 };
}

function fillRow(column, row, index) {
  row.index = index;
  row.labels = column.labels;
  row.element.id = `${column.side}-${index}`;
  row.element.dataset.index = index;
  row.element.style.top = `${index * ROW}px`;
  row.element.setAttribute("aria-setsize", column.count);
  row.element.setAttribute("aria-posinset", index + 1);
  row.element.classList.toggle("special", Boolean(column.special.get(index)));
  row.label.textContent = column.labels.get(index);
  row.at.textContent = index;
}
