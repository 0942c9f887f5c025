// What is said of a head: its numbers, which its picture cannot tell.

import { threeDigits } from "../shared/paint.js";

export function say(grid, words) {
  grid.said.textContent = words;
  clearTimeout(grid.saying);
  grid.saying = setTimeout(() => { grid.said.textContent = ""; }, 6000);
}

// Say of a head what its picture cannot.
export function tell(grid) {
  const focused = grid.cursor >= 0 && grid.root.matches(":focus-visible");
  const shown = grid.hovered >= 0 ? grid.hovered : focused ? grid.cursor : grid.selected[0] ?? -1;
  const words = shown < 0 ? "" : wordsOf(grid, shown);
  if (grid.tip.textContent !== words) grid.tip.textContent = words;
  if (grid.cursor < 0) return;
  const { option } = grid;
  option.textContent = wordsOf(grid, grid.cursor);
  option.setAttribute("aria-selected", grid.selected.includes(grid.cursor));
  option.setAttribute("aria-setsize", grid.data.order.length);
  option.setAttribute("aria-posinset", grid.data.order.indexOf(grid.cursor) + 1);
}

export function wordsOf({ data, numbers }, index) {
  const count = data.layers.length;
  const place = `layer ${data.layers[index]}, head ${data.heads[index]}`;
  if (data.words.length && data.words.every((_, row) => !Number.isFinite(numbers[row * count + index]))) return `${place}: not drawn yet`;
  const parts = data.words.map(([name, unit], row) => {
    const number = numbers[row * count + index];
    return `${name} ${Number.isFinite(number) ? threeDigits(number) : "none"} ${unit}`.trimEnd();
  });
  return `${place}: ${parts.join(", ")}`;
}
