// What is told beside the lines: the heads, their weights, and the sentence for who does not see.

import { threeDigits } from "../shared/paint.js";
import { linesOf, OTHER } from "./lines.js";

const MOST_LISTED = 16;
const VERB = { query: "attends to", key: "is attended to by" };

function named(column, index) {
  return `${column.labels.get(index)} (${index})`;
}

// The legend: a button for each head, and under it the numbers of the token in question.
export function nameHeads(view, whenChosen) {
  view.title = document.createElement("p");
  view.title.dir = "auto";
  view.title.className = "title";
  view.note = document.createElement("p");
  view.note.className = "note";
  view.blocks = view.data.heads.map((head, number) => {
    const [block, button, swatch, body] = ["section", "button", "i", "div"].map((tag) => document.createElement(tag));
    swatch.style.background = head.colour;
    button.type = "button";
    button.title = "Show the lines of this head alone";
    button.append(swatch, head.name);
    button.onclick = () => {
      view.only = view.only === number ? null : number;
      whenChosen();
    };
    block.append(button, body);
    return { block, button, body };
  });
  view.details.replaceChildren(view.title, ...view.blocks.map(({ block }) => block), view.note);
}

export function tell(view, place, lines) {
  const { data, columns } = view;
  view.title.textContent = place
    ? `${named(columns[place.side], place.index)} ${VERB[place.side]}`
    : `Hover a ${data.unit} to see only its lines; click to pin it.`;
  view.note.textContent = place?.side === "key" ? data.reach : "";
  view.blocks.forEach(({ block, button, body }, number) => {
    const silent = view.only !== null && view.only !== number;
    block.classList.toggle("aside", silent);
    button.setAttribute("aria-pressed", view.only === number);
    const own = lines.filter((line) => line.head === number);
    body.replaceChildren(...(place && !silent ? listed(own, columns[OTHER[place.side]]) : []));
  });
}

function listed(lines, column) {
  const list = document.createElement("ol");
  const largest = lines.slice(-MOST_LISTED).reverse();
  for (const line of largest) {
    const item = document.createElement("li");
    const label = document.createElement("bdi");
    const number = document.createElement("b");
    label.textContent = named(column, line[column.side]);
    number.textContent = threeDigits(line.weight);
    item.append(label, number);
    list.append(item);
  }
  const rest = lines.length - largest.length;
  const words = document.createElement("p");
  words.textContent = lines.length ? `and ${rest.toLocaleString()} more` : "nothing";
  return lines.length && !rest ? [list] : [list, words];
}

// For who does not see: only when the keyboard or a click moved, never for the mouse.
export function say(view) {
  const place = view.hovered ?? view.pinned;
  if (!place) {
    view.said.textContent = "";
    return;
  }
  const lines = linesOf(view, place).sort((a, b) => b.weight - a.weight);
  const far = OTHER[place.side];
  const parts = view.data.heads.map(({ name }, number) => {
    const own = lines.filter((line) => line.head === number).slice(0, 4);
    const words = own.map((line) => `${named(view.columns[far], line[far])} ${threeDigits(line.weight)}`);
    return `${name}: ${words.join(", ") || "nothing"}`;
  });
  view.said.textContent = `${named(view.columns[place.side], place.index)} ${VERB[place.side]}. ${parts.join(". ")}`;
}
