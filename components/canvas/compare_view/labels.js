// What the comparison says: names of rows and columns, the numbers of a cell, titles.

import { isolated, threeDigits } from "../shared/paint.js";
import { differenceOf } from "./colours.js";

const HINTS = {
  mouse: "Point at a cell for its numbers; click to choose its row, scroll to zoom, drag to move.",
  touch: "Tap a cell for its numbers and to choose its row; pinch to zoom, drag to move.",
};

export const SIDES = ["first", "second"];

// Names of an axis on both sides, as they came.
export function axisOf(table) {
  const [firstLabel, firstPlace, firstThere, secondLabel, secondPlace, secondThere] =
    Array.from({ length: 6 }, (_, column) => table.getChildAt(column));
  return Array.from({ length: table.numRows }, (_, index) => ({
    labels: [firstLabel.get(index), secondLabel.get(index)],
    places: [firstPlace.get(index), secondPlace.get(index)],
    there: [Boolean(firstThere.get(index)), Boolean(secondThere.get(index))],
  }));
}

// One text where both sides have the same or only one has any, else both.
export function joined([first, second]) {
  if (!first || !second || first === second) return first || second;
  return `${isolated(first)} → ${isolated(second)}`;
}

export function nameOfUnit(unit) {
  const place = joined(unit.places);
  return `“${isolated(joined(unit.labels))}”${place ? ` (${place})` : ""}`;
}

export function signed(value) {
  const digits = threeDigits(Math.abs(value));
  if (digits === "0") return "0";
  return `${value < 0 ? "−" : "+"}${digits}`;
}

export function sideWords(value, query, key, side) {
  if (value === -Infinity) return `not attended in the ${SIDES[side]}`;
  if (!Number.isNaN(value)) return `${threeDigits(value)} ${SIDES[side]}`;
  const missing = [query, key].find(({ there }) => !there[side]);
  return missing ? `no ${nameOfUnit(missing)} in the ${SIDES[side]}` : `no number in the ${SIDES[side]}`;
}

export function sentence(view) {
  const { cursor, cells, rows, columns, row } = view;
  if (!cursor) {
    if (row !== null) return `The row of ${nameOfUnit(rows[row])} is chosen; click it again or press Escape to let go.`;
    return matchMedia("(hover: none)").matches ? HINTS.touch : HINTS.mouse;
  }
  const [query, key] = [rows[cursor.query], columns[cursor.key]];
  const at = cursor.query * cells.columns + cursor.key;
  const numbers = [cells.first[at], cells.second[at]];
  const parts = numbers.map((value, side) => sideWords(value, query, key, side));
  const difference = differenceOf(...numbers);
  if (!Number.isNaN(difference)) parts.push(signed(difference));
  return `${nameOfUnit(query)} → ${nameOfUnit(key)}: ${parts.join(", ")}`;
}

// What stands over each panel, in bold and after it.
export function titlesOf(view) {
  const { titles, mode } = view.data;
  const third = {
    difference: ["Difference", "second − first"],
    overlay: ["Overlay", "both in one"],
    flicker: [`Flicker: ${SIDES[view.shown]}`, isolated(titles[view.shown])],
  }[mode];
  return [["First", isolated(titles[0])], ["Second", isolated(titles[1])], third];
}
