// What is said of the weight of one cell.

import assert from "node:assert/strict";
import { test } from "node:test";

import { weightSaid } from "../../components/canvas/attention_map/exact_weight.js";

const FORBIDDEN = 0xfc00;  // minus infinity
const at = { query: 0, key: 0 };
const empty = { base: "head", kept: new Map() };
const store = (bits) => ({ base: "head", kept: new Map([["max/0/0/0", { columns: 1, bits: Uint16Array.of(bits) }]]) });

test("until the weight of a cell has come the map says it nearly", () => {
  const near = store(0x2c20);  // 0.064453, of a weight of 0.064439
  const exact = { base: "head", ...at, weight: 0.064439 };
  assert.equal(weightSaid({ store: empty }, at), "…");
  assert.equal(weightSaid({ store: near }, at), "≈ 0.064");
  assert.equal(weightSaid({ store: near, exact }, at), "0.0644");
});

test("the weight of another cell or of another head is not said of this one", () => {
  const exact = { base: "head", ...at, weight: 0.5 };
  assert.equal(weightSaid({ store: empty, exact }, { query: 0, key: 1 }), "…");
  assert.equal(weightSaid({ store: empty, exact: { ...exact, base: "other" } }, at), "…");
});

test("what a weight does is said with its sign and its unit", () => {
  const data = { signed: true, unit: 0.5, unitName: "logits" };
  // A tile holds shares of the largest.
  assert.equal(weightSaid({ data, store: store(0x3800) }, at), "≈ +0.25 logits");
  const exact = { base: "head", ...at, weight: -0.01234 };
  assert.equal(weightSaid({ data, store: empty, exact }, at), "-0.0123 logits");
});

test("what may not be attended to has no weight", () => {
  assert.equal(weightSaid({ store: store(FORBIDDEN) }, at), "not attended");
  assert.equal(weightSaid({ store: empty, exact: { base: "head", ...at, weight: NaN } }, at), "not attended");
});

test("a cell is read out of the tile that it lies in", () => {
  const bits = new Uint16Array(6);
  bits[1 * 3 + 2] = 0x3800;  // 0.5
  const tiles = { base: "head", kept: new Map([["max/0/1/2", { columns: 3, bits }]]) };
  assert.equal(weightSaid({ store: tiles }, { query: 257, key: 514 }), "≈ 0.5");
});
