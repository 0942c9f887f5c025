// What made a number of a small matrix, and how it is written.

import assert from "node:assert/strict";
import { test } from "node:test";

import { belonging, digitsOf, reckoned, steppedTo, written } from "../../components/canvas/matrices/arithmetic.js";
import { named, sentence } from "../../components/canvas/matrices/labels.js";

function grid(name, cells, columns = null) {
  return { name, cells, rows: cells.map((_, row) => `r${row}`), columns, digits: digitsOf(cells) };
}

function view(link, grids, at, { words = "", first = 0 } = {}) {
  return { data: { link, grids, words, first }, at };
}

const Q = grid("Q", [[1, 2], [3, 4]]);
const K = grid("K", [[5, 6], [7, 8]]);
const QK = grid("S", [[19, 22], [43, 50]]);

test("as many decimals are written as all numbers need, two at most", () => {
  assert.equal(digitsOf([[1, 2], [null, 4]]), 0);
  assert.equal(digitsOf([[1.5, 2]]), 1);
  assert.equal(digitsOf([[1.234, 2]]), 2);
});

test("numbers are written with few digits, a true minus, and no minus nothing", () => {
  assert.deepEqual([1.234, -1.5, -0.001, 12.34, 123.4, 12345].map((one) => written(one, 2)), ["1.23", "−1.50", "0.00", "12.3", "123", "1e+4"]);
  assert.equal(written(null, 2), "−∞");
  assert.equal(written(3, 0), "3");
});

test("a product is made of a row and a column", () => {
  const made = view("product", [Q, K, QK], { index: 2, row: 1, column: 0 });
  assert.deepEqual(belonging(made), [[1, null], [null, 0], [1, 0]]);
  assert.equal(sentence(made), "S [r1, 0] = 3 × 5 + 4 × 7 = 43");
  assert.equal(reckoned(made), 43);
});

test("of a cell before, everything that it goes into is marked", () => {
  assert.deepEqual(belonging(view("product", [Q, K, QK], { index: 0, row: 1, column: 0 })), [[1, 0], null, [1, null]]);
  assert.deepEqual(belonging(view("product", [Q, K, QK], { index: 1, row: 1, column: 0 })), [null, [1, 0], [null, 0]]);
});

test("where rounded numbers do not give the rounded result it is not said to be equal", () => {
  const product = (factor, result) => {
    const grids = [grid("Q", [[factor]]), grid("K", [[factor]]), grid("S", [[result]])];
    return sentence(view("product", grids, { index: 2, row: 0, column: 0 }));
  };
  assert.equal(product(0.333, 0.1109), "S [r0, 0] = 0.33 × 0.33 = 0.11");
  assert.equal(product(0.335, 0.1122), "S [r0, 0] = 0.34 × 0.34 ≈ 0.11");
});

test("a softmax leaves out what may not be attended to", () => {
  const scores = grid("S", [[0, null], [0, 0]]);
  const weights = grid("A", [[1, 0], [0.5, 0.5]]);
  assert.equal(sentence(view("softmax", [scores, weights], { index: 1, row: 0, column: 0 })), "A [r0, 0] = e^0 / (e^0) = 1.0");
  assert.equal(sentence(view("softmax", [scores, weights], { index: 1, row: 1, column: 1 })), "A [r1, 1] = e^0 / (e^0 + e^0) = 0.5");
  assert.deepEqual(belonging(view("softmax", [scores, weights], { index: 1, row: 1, column: 1 })), [[1, null], [1, 1]]);
});

test("joined heads stand beside each other", () => {
  const joined = grid("Z", [[1, 2, 5, 6], [3, 4, 7, 8]]);
  assert.deepEqual(belonging(view("join", [Q, K, joined], { index: 2, row: 1, column: 2 })), [null, [1, 0], [1, 2]]);
  assert.deepEqual(belonging(view("join", [Q, K, joined], { index: 1, row: 1, column: 1 }))[2], [1, 3]);
});

test("names that come twice bear their place", () => {
  assert.equal(named(["the", "cat", "the"], 2, 1), "the (3)");
  assert.equal(named(["the", "cat", "the"], 1, 1), "cat");
});

test("an arrow key begins at the first cell and ends at the edge", () => {
  assert.deepEqual(steppedTo(Q.cells, null, [0, 1]), { row: 0, column: 0 });
  assert.deepEqual(steppedTo(Q.cells, { row: 0, column: 0 }, [1, 0]), { row: 1, column: 0 });
  assert.deepEqual(steppedTo(Q.cells, { row: 1, column: 0 }, [1, -1]), { row: 1, column: 0 });
});
