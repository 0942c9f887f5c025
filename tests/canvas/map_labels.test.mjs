// What the map says, and the file of its heaviest weights.

import assert from "node:assert/strict";
import { test } from "node:test";

import { csvOf } from "../../components/canvas/attention_map/heaviest.js";
import { sentence, unitName } from "../../components/canvas/attention_map/labels.js";

const names = { queries: ["The", "cat", "sat"], keys: ["The", "cat", "sat"] };
const store = { base: "head", kept: new Map() };

test("a unit is called by its text and its place, by its place alone until names have come", () => {
  assert.equal(unitName({ names }, "keys", 1), "cat (1)");
  assert.equal(unitName({ names: null }, "keys", 1), "1");
  assert.equal(unitName({ names: { keys: ["שלום"] } }, "keys", 0), "\u2068שלום\u2069 (0)");
});

test("a cell is said as who attends to whom, and how much", () => {
  const exact = { base: "head", query: 2, key: 1, weight: 0.25 };
  assert.equal(sentence({ names, store, exact, crosshair: { query: 2, key: 1 } }), "sat (2) attends to cat (1): 0.25");
});

test("what one waits for is said before the cell", () => {
  assert.equal(sentence({ names, store, waiting: "Looking …", crosshair: { query: 2, key: 1 } }), "Looking …");
});

test("without a cell one is told what a hand can do, as mouse or as finger", (context) => {
  context.after(() => { delete globalThis.matchMedia; });
  globalThis.matchMedia = () => ({ matches: false });
  assert.match(sentence({ crosshair: null }), /^Hover a cell/);
  globalThis.matchMedia = () => ({ matches: true });
  assert.match(sentence({ crosshair: null }), /^Tap a cell/);
});

test("a span is summed up by where most of it goes", () => {
  const brush = { side: "queries", from: 2, to: 1 };
  assert.equal(sentence({ names, brush, sums: null }), "queries 1 to 2: adding up …");
  const summed = { names, brush, sums: Float32Array.of(0.25, 1.5, 0.25), mostSummed: 1.5 };
  assert.match(sentence(summed), /^queries 1 to 2 together: most at cat \(1\) 1\.5\. A click/);
  const pointed = { ...summed, crosshair: { query: 0, key: 2 } };
  assert.match(sentence(pointed), /most at cat \(1\) 1\.5; sat \(2\) 0\.25\./);
  assert.match(sentence({ ...summed, mostSummed: 0 }), /^queries 1 to 2 together: nothing$/);
});

test("a file of weights keeps quotes, commas and lines within a text", () => {
  const edges = { weights: [0.5, 0.25], queries: [1, 0], keys: [0, 1] };
  const texts = { queries: ['say "so"', "a,b"], keys: ["two\nlines", "·x"] };
  assert.equal(
    csvOf(edges, texts),
    'query,query text,key,key text,weight\r\n1,"a,b",0,"two\nlines",0.5\r\n0,"say ""so""",1,"·x",0.25\r\n',
  );
  assert.equal(csvOf({ weights: [1], queries: [0], keys: [0] }, null).split("\r\n")[1], '0,"",0,"",1');
});
