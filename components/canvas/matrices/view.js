// Small matrices side by side: hovering a cell of one marks the cells that made it, or that it makes.

const instances = new WeakMap();
const HINT = "Point at a number, or walk with the arrow keys, to see what made it.";

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
    made.title = "may not be looked at";
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

// As many decimals as all numbers of a matrix need, two at most.
function digitsOf(cells) {
  const numbers = cells.flat().filter((number) => number !== null);
  return [0, 1].find((digits) => numbers.every((number) => Math.abs(number - Number(number.toFixed(digits))) < 1e-9)) ?? 2;
}

function written(number, digits) {
  if (number === null) return "−∞";
  const size = Math.abs(number);
  const text = size >= 1e4 ? number.toExponential(0) : number.toFixed(size >= 100 ? 0 : size >= 10 ? Math.min(1, digits) : digits);
  return text.replace(/^-(0(\.0*)?)$/, "$1").replace("-", "−");
}

function go(view, place) {
  const { at } = view;
  if (at?.index === place?.index && at?.row === place?.row && at?.column === place?.column) return;
  view.at = place;
  mark(view);
}

function walk(view, event, index) {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  if (event.key === "Escape") go(view, null);
  else if (step) {
    const { cells } = view.data.grids[index];
    const here = view.at?.index === index ? view.at : null;
    const inside = (value, count) => Math.max(0, Math.min(count - 1, value));
    go(view, {
      index,
      row: here ? inside(here.row + step[0], cells.length) : 0,
      column: here ? inside(here.column + step[1], cells[0].length) : 0,
    });
    view.tables[index].cells[view.at.row][view.at.column].scrollIntoView({ block: "nearest", inline: "nearest" });
  } else return;
  event.preventDefault();
}

// The places of every matrix that belong to the one pointed at.
function belonging(view) {
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

// A label, and its place where others are called the same.
function named(labels, index, first) {
  const label = labels[index];
  return labels.filter((other) => other === label).length > 1 ? `${label} (${index + first})` : label;
}

function sentence(view) {
  const { grids, link, words, first } = view.data;
  const { index, row, column } = view.at;
  const grid = grids[index];
  const say = (from, at, beside) => written(grids[from].cells[at][beside], grids[from].digits);
  const place = `${grid.name} [${named(grid.rows, row, first)}, ${grid.columns ? named(grid.columns, column, first) : column + first}]`;
  const result = say(index, row, column);
  if (index < grids.length - 1 || link === "join" || link === "none") return `${place} = ${result}`;
  const before = grids[0].cells[row];
  if (link === "mask") {
    return `${place}: ${grid.cells[row][column] === null ? "it comes later, so it may not be looked at" : "it may be looked at, so its score stays"}`;
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

// What comes out of the numbers as they are written: rounded, they need not give the rounded result.
function reckoned(view) {
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
