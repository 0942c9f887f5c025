// The text as the model sees it: its chunks, its weights, what is said and how a token looks.

import assert from "node:assert/strict";
import { test } from "node:test";

import { between, sentence } from "../../components/canvas/token_strip/labels.js";
import { dress } from "../../components/canvas/token_strip/shading.js";
import { CHUNK, chunksOf, linesOf } from "../../components/canvas/token_strip/text.js";
import { roleOf, weightsOf } from "../../components/canvas/token_strip/weights.js";

function strip(values, { direction = "looks at", two = false, pinned = null, hovered = null } = {}) {
  const side = Math.sqrt(values.length);
  const labels = ["the", "cat", "sat"].slice(0, side);
  return {
    data: { two, palette: Array.from({ length: 768 }, (_, at) => Math.floor(at / 3)) }, direction, pinned, hovered,
    pattern: Float32Array.from(values), tokens: { query: { length: side }, key: { length: side } }, weights: {},
    texts: { queries: { labels }, keys: { labels } }, largest: 1,
  };
}

const PATTERN = [1, 0, 0, 0.75, 0.25, 0, 0.5, 0.125, 0.375];
const at = (index, side = "query") => ({ side, index });

test("a token is a row or a column, by the direction or by the text that it stands in", () => {
  assert.equal(roleOf(strip(PATTERN), at(1)), "query");
  assert.equal(roleOf(strip(PATTERN, { direction: "looked at by" }), at(1)), "key");
  assert.equal(roleOf(strip(PATTERN, { two: true }), at(1, "key")), "key");
});

test("its weights are that row or that column", () => {
  assert.deepEqual([...weightsOf(strip(PATTERN), at(1))], [0.75, 0.25, 0]);
  assert.deepEqual([...weightsOf(strip(PATTERN, { direction: "looked at by" }), at(1))], [0, 0.25, 0.125]);
});

test("the sentence begins with the largest weight and leaves out nothing's", () => {
  const made = strip(PATTERN);
  assert.equal(sentence(made, at(2), weightsOf(made, at(2))), "sat  (2)  attends to  the 0.5,  sat 0.375,  cat 0.125");
  assert.equal(sentence(made, at(0), weightsOf(made, at(0))), "the  (0)  attends to  the 1");
  const turned = strip(PATTERN, { direction: "looked at by" });
  assert.match(sentence(turned, at(0), weightsOf(turned, at(0))), /^the {2}\(0\) {2}is attended to by {2}the 1, {2}cat 0\.75/);
});

test("beside a pinned token another is said by what it has of its weight", () => {
  assert.equal(between(strip(PATTERN, { pinned: at(2), hovered: at(1) })), "sat  (2)  attends to it 0.125");
  assert.equal(between(strip(PATTERN, { pinned: at(2), hovered: at(2) })), "");
  assert.equal(between(strip(PATTERN, { hovered: at(1) })), "");
});

function token() {
  const classes = {};
  return { classes, style: {}, title: "", setAttribute() {}, classList: { toggle: (name, on) => { classes[name] = on; } } };
}

// Of float16 they would often be others: 0.064439 is 0.06445 there, and would be said as 0.0645.
for (const weight of [0.064439, 0.12345, 0.99951, 1.2345e-4, 3.4567e-8]) {
  test(`the text says the digits of the float32 weight ${weight}`, () => {
    const made = strip([1, 0, weight, 1 - weight]);
    made.weights.query = weightsOf(made, at(1));
    const shown = token();
    dress(made, "query", 0, shown);
    assert.equal(Number(shown.title), Number(weight.toPrecision(3)));
  });
}

test("a token is shaded by its share of the largest weight, with ink that is read on it", () => {
  const made = strip(PATTERN, { pinned: at(1) });
  made.weights.query = weightsOf(made, at(1));
  made.largest = 0.75;
  const shown = [0, 1, 2].map((index) => {
    const one = token();
    dress(made, "query", index, one);
    return one;
  });
  assert.deepEqual(shown.map(({ style }) => style.backgroundColor), ["rgb(255,255,255)", "rgb(85,85,85)", ""]);
  assert.deepEqual(shown.map(({ style }) => style.color), ["#000", "#fff", ""]);
  assert.deepEqual(shown.map(({ classes }) => classes.pinned), [false, true, false]);
});

test("a chunk ends where a word does", () => {
  const labels = new Array(3 * CHUNK).fill("x");
  const starts = labels.map((_, index) => index % 7 === 0);
  const spans = chunksOf({ labels, starts });
  assert.equal(spans[0][0], 0);
  assert.equal(spans.at(-1)[1], labels.length);
  for (const [index, [start]] of spans.entries()) {
    assert.ok(starts[start]);
    if (index) assert.equal(start, spans[index - 1][1]);
  }
});

test("a word that never ends is cut all the same", () => {
  const labels = new Array(5 * CHUNK).fill("x");
  assert.deepEqual(chunksOf({ labels, starts: labels.map(() => false) }).map(([start, stop]) => stop - start), [2 * CHUNK, 2 * CHUNK, CHUNK]);
  assert.deepEqual(chunksOf({ labels: [], starts: [] }), []);
});

test("a chunk takes as many lines as its characters and its breaks ask for", () => {
  const text = { labels: ["abc", "def", "g"], breaks: [true, false, false] };
  assert.equal(linesOf(text, { start: 0, stop: 3 }, 1000), 2);
  assert.equal(linesOf(text, { start: 0, stop: 3 }, 40), 4);
});
