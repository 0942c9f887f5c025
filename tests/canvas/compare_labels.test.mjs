// What the comparison says of cells, rows, columns and bars.

import assert from "node:assert/strict";
import { test } from "node:test";

import { joined, nameOfUnit, sentence, sideWords, signed, titlesOf } from "../../components/canvas/compare_view/labels.js";
import { barOf, roundNumbers } from "../../components/canvas/compare_view/scale.js";

function unit(first, second = first, place = "3") {
  return { labels: [first, second], places: [first && place, second && place], there: [Boolean(first), Boolean(second)] };
}

test("what both sides have alike is named once", () => {
  assert.equal(joined(["cat", "cat"]), "cat");
  assert.equal(joined(["", "cat"]), "cat");
  assert.equal(joined(["street", "road"]), "street → road");
  assert.equal(nameOfUnit(unit("cat")), "“cat” (3)");
  assert.equal(nameOfUnit({ ...unit("cat"), places: ["", ""] }), "“cat”");
});

test("a difference bears its sign, nothing bears none", () => {
  assert.deepEqual([0.25, -0.25, 0].map(signed), ["+0.25", "−0.25", "0"]);
});

test("a side says its number, or why it has none", () => {
  const [query, key] = [unit("sat"), unit("", "wide")];
  assert.equal(sideWords(0.12345, query, key, 1), "0.123 second");
  assert.equal(sideWords(-Infinity, query, key, 0), "not attended in the first");
  assert.equal(sideWords(NaN, query, key, 0), "no “wide” (3) in the first");
  assert.equal(sideWords(NaN, query, query, 0), "no number in the first");
});

const view = {
  cursor: { query: 1, key: 0 }, row: null, rows: [unit("the"), unit("cat")], columns: [unit("the"), unit("sat", "ran")],
  cells: { first: [1, -Infinity, 0.25, 0.75], second: [1, -Infinity, 0.5, 0.5], columns: 2 },
};

test("a cell is said with both numbers and their difference", () => {
  assert.equal(sentence(view), "“cat” (3) → “the” (3): 0.25 first, 0.5 second, +0.25");
  const forbidden = { ...view, cursor: { query: 0, key: 1 } };
  assert.equal(sentence(forbidden), "“the” (3) → “sat → ran” (3): not attended in the first, not attended in the second");
});

test("where nothing is pointed at the chosen row is said", () => {
  assert.match(sentence({ ...view, cursor: null, row: 1 }), /^The row of “cat” \(3\) is chosen;/);
});

test("the third panel is called after what it shows", () => {
  const of = (mode, shown) => titlesOf({ data: { titles: ["one", "two"], mode }, shown });
  assert.deepEqual(of("difference", 0)[2], ["Difference", "second − first"]);
  assert.deepEqual(of("flicker", 1), [["First", "one"], ["Second", "two"], ["Flicker: second", "two"]]);
});

test("a bar is marked by round numbers that have room", () => {
  for (const largest of [1, 0.37, 0.0042, 12]) {
    for (const curve of [(share) => share, Math.sqrt]) {
      const marks = roundNumbers(largest, curve, 0.17);
      assert.deepEqual([marks[0], marks.at(-1)], [{ value: 0, at: 0 }, { value: largest, at: 1 }]);
      for (let index = 1; index < marks.length; index++) assert.ok(marks[index].at - marks[index - 1].at >= 0.17 - 1e-9);
      for (const { value } of marks.slice(1, -1)) assert.match(value.toExponential(), /^[125]e/);
    }
  }
});

test("the bar of a difference is the same on both sides of nothing", () => {
  const { ticks, means } = barOf({ scale: "linear", difference: 0.5 }, "difference");
  assert.deepEqual(ticks.map(({ text }) => text), ["−0.5", "−0.2", "0", "+0.2", "+0.5"]);
  ticks.forEach(({ at }, index) => assert.ok(Math.abs(at + ticks.at(-1 - index).at - 1) < 1e-9));
  assert.deepEqual(means.map(({ text }) => text), ["← first has more", "", "second has more →"]);
});

test("a bar says its scale where it is not in proportion", () => {
  const { means } = barOf({ scale: "root", largest: 1 }, "weight");
  assert.deepEqual(means, [{ text: "weight" }, { text: "square-root scale" }]);
});
