// The lines between two columns of tokens, and how one walks a column.

import assert from "node:assert/strict";
import { test } from "node:test";

import { linesOf } from "../../components/canvas/head_view/lines.js";
import { inSight, ROW, steppedTo } from "../../components/canvas/head_view/rows.js";

// Two heads, three queries, at most two keys each; -1 is no key.
function view(only = null) {
  return {
    data: { width: 2, heads: [{}, {}] }, only, columns: { query: { count: 3 }, key: { count: 3 } }, looking: null,
    keys: Int32Array.of(0, -1, 0, 1, 2, 0, 0, -1, 1, 0, 1, 2),
    weights: Float32Array.of(1, 0, 0.75, 0.25, 0.5, 0.25, 1, 0, 0.5, 0.5, 0.75, 0.125),
  };
}

test("a query has the lines to its keys, of every head", () => {
  assert.deepEqual(linesOf(view(), { side: "query", index: 1 }), [
    { head: 0, query: 1, key: 0, weight: 0.75 }, { head: 0, query: 1, key: 1, weight: 0.25 },
    { head: 1, query: 1, key: 1, weight: 0.5 }, { head: 1, query: 1, key: 0, weight: 0.5 },
  ]);
});

test("a place without a key has no line", () => {
  assert.equal(linesOf(view(), { side: "query", index: 0 }).length, 2);
});

test("a key has the lines of all queries that attend to it, and no others", () => {
  const made = view();
  const all = [0, 1, 2].flatMap((index) => linesOf(made, { side: "query", index }));
  for (const key of [0, 1, 2]) {
    const order = (lines) => lines.map((line) => Object.values(line).join()).sort();
    assert.deepEqual(order(linesOf(made, { side: "key", index: key })), order(all.filter((line) => line.key === key)));
  }
});

test("a head that is shown alone has its lines alone", () => {
  assert.ok(linesOf(view(1), { side: "key", index: 1 }).every(({ head }) => head === 1));
  assert.equal(linesOf(view(1), { side: "query", index: 1 }).length, 2);
});

function column(first, count = 100, rows = 10) {
  return { count, holder: { scrollTop: first * ROW, clientHeight: rows * ROW } };
}

test("rows that are partly seen are in sight", () => {
  assert.deepEqual(inSight(column(3)), [3, 13]);
  assert.deepEqual(inSight(column(3.5)), [3, 14]);
  assert.deepEqual(inSight(column(95)), [95, 100]);
});

test("keys walk a column to its ends", () => {
  const from = (key, index) => steppedTo(key, index, column(0));
  assert.deepEqual([from("ArrowDown", 4), from("ArrowUp", 4), from("ArrowUp", 0), from("ArrowDown", 99)], [5, 3, 0, 99]);
  assert.deepEqual([from("PageDown", 4), from("PageUp", 4), from("Home", 50), from("End", 50)], [13, 0, 0, 99]);
  assert.deepEqual([from("a", 4), from("toString", 4)], [null, null]);
});

test("a first step begins at the first row in sight", () => {
  assert.equal(steppedTo("ArrowDown", null, column(30)), 30);
  assert.equal(steppedTo("ArrowUp", null, column(30)), 30);
});
