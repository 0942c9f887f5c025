// Small matrices side by side: hovering a cell of one marks the cells that made it, or that it makes.

import { inkOn } from "../shared/paint.js";
import { ARROWS } from "../shared/plane.js";
import { belonging, digitsOf, steppedTo, written } from "./arithmetic.js";
import { HINT, sentence } from "./labels.js";

const instances = new WeakMap();

export default function ({ data, parentElement }) {
  let view = instances.get(parentElement);
  if (!view) {
    view = build(parentElement);
    instances.set(parentElement, view);
  }
  view.data = data;
  view.show();
}

function build(parentElement) {
  const root = parentElement.querySelector(".matrices");
  const view = {
    row: root.querySelector(".row"),
    said: root.querySelector(".said"),
    tables: [],
    at: null,
  };
  view.show = () => {
    view.at = null;
    view.tables = view.data.grids.map((grid, index) => table(view, grid, index));
    view.row.replaceChildren(...view.tables.map(({ figure }, index) => {
      if (index === 0) return figure;
      // A sign goes to the next line with what follows it.
      const part = document.createElement("div");
      part.className = "part";
      part.append(sign(view.data.signs[index - 1]), figure);
      return part;
    }));
    view.said.hidden = view.data.link === "none";
    mark(view);
  };
  return view;
}

function sign(text) {
  const shown = document.createElement("span");
  shown.className = "sign";
  shown.textContent = text;
  return shown;
}

function table(view, grid, index) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const name = document.createElement("b");
  name.textContent = grid.name;
  caption.append(name, ` ${grid.cells.length} × ${grid.cells[0].length}`);
  const holder = document.createElement("div");
  holder.className = "grid";
  holder.tabIndex = 0;
  holder.setAttribute("role", "grid");
  holder.setAttribute("aria-label", `${grid.name}. Arrow keys walk from number to number.`);
  grid.digits = digitsOf(grid.cells);
  // Whole numbers need less room, names of columns need it.
  const wide = grid.digits || grid.columns ? "var(--cell)" : "var(--whole)";
  holder.style.gridTemplateColumns = `max-content repeat(${grid.cells[0].length}, ${wide})`;
  if (grid.columns) holder.append(headings(grid));
  const cells = grid.cells.map((numbers, row) => {
    const line = document.createElement("div");
    line.className = "line";
    line.setAttribute("role", "row");
    const label = document.createElement("span");
    label.className = "label";
    label.dir = "auto";
    label.setAttribute("role", "rowheader");
    label.textContent = label.title = grid.rows[row] ?? "";
    const made = numbers.map((number, column) => cell(view, grid, number, row, column));
    line.append(label, ...made);
    holder.append(line);
    return made;
  });
  const placeOf = (event) => {
    const found = event.target.closest(".cell");
    return found ? { index, row: Number(found.dataset.row), column: Number(found.dataset.column) } : null;
  };
  holder.onmouseover = (event) => go(view, placeOf(event) ?? view.at);
  holder.onclick = (event) => go(view, placeOf(event) ?? view.at);
  holder.onmouseleave = () => go(view, null);
  holder.onkeydown = (event) => walk(view, event, index);
  figure.append(caption, holder);
  return { figure, cells };
}

function headings(grid) {
  const line = document.createElement("div");
  line.className = "line";
  line.setAttribute("role", "row");
  const corner = document.createElement("span");
  corner.className = "label";
  line.append(corner, ...grid.columns.map((text) => {
    const heading = document.createElement("span");
    heading.className = "heading";
    heading.dir = "auto";
    heading.setAttribute("role", "columnheader");
    heading.textContent = heading.title = text;
    return heading;
  }));
  return line;
}

function cell(view, grid, number, row, column) {
  const made = document.createElement("span");
  made.className = "cell";
  made.dataset.row = row;
  made.dataset.column = column;
  made.setAttribute("role", "gridcell");
  made.textContent = written(number, grid.digits);
  made.title = String(Number(number?.toPrecision(6)));
  if (grid.group && column > 0 && column % grid.group === 0) made.classList.add("first");
  if (number === null || grid.attended?.[row][column] === false) {
    made.classList.add("forbidden");
    made.title = "may not be attended to";
    return made;
  }
  const palette = grid.weights ? view.data.weights : view.data.signed;
  const share = grid.weights ? number : (number / view.data.largest + 1) / 2;
  const step = 3 * Math.round(255 * Math.min(1, Math.max(0, share)));
  const colour = palette.slice(step, step + 3);
  made.style.backgroundColor = `rgb(${colour})`;
  made.style.color = inkOn(...colour);
  return made;
}

function go(view, place) {
  const { at } = view;
  if (at?.index === place?.index && at?.row === place?.row && at?.column === place?.column) return;
  view.at = place;
  mark(view);
}

function walk(view, event, index) {
  const step = ARROWS[event.key];
  if (event.key === "Escape") go(view, null);
  else if (step) {
    const { cells } = view.data.grids[index];
    const here = view.at?.index === index ? view.at : null;
    go(view, { index, ...steppedTo(cells, here, step) });
    view.tables[index].cells[view.at.row][view.at.column].scrollIntoView({ block: "nearest", inline: "nearest" });
  } else return;
  event.preventDefault();
}

function mark(view) {
  const marks = view.at ? belonging(view) : [];
  view.tables.forEach(({ cells }, index) => {
    cells.forEach((line, row) => line.forEach((made, column) => {
      const [marked, across] = marks[index] ?? [-1, -1];
      const on = marks[index] && (marked === null || marked === row) && (across === null || across === column);
      made.classList.toggle("marked", Boolean(on));
      const here = view.at?.index === index && view.at.row === row && view.at.column === column;
      made.classList.toggle("here", Boolean(here));
      made.setAttribute("aria-selected", Boolean(here));
    }));
  });
  view.said.textContent = view.at ? sentence(view) : HINT;
}
