// Which tokens a typed text finds, and from where they are looked at.

import assert from "node:assert/strict";
import { test } from "node:test";

import { hitsOf, lookingFrom, MOST_HITS } from "../../components/canvas/attention_map/search.js";

for (const [query, key, queries, found] of [
  [5, 5, 20, 5], [9, 5, 20, 9], [2, 5, 20, 5], [5, 5, 1, 0], [3, 50, 20, 19], [0, 0, 20, 0],
]) {
  test(`key ${key} is looked at from ${found} where ${query} of ${queries} was`, () => {
    assert.equal(lookingFrom(query, key, queries), found);
  });
}

const NAMES = ["The", "·cat", "·sat", "·on", "·the", "·ca", "ts"];

test("a text is found in its tokens, whatever its case", () => {
  assert.deepEqual(hitsOf(NAMES, "the"), [0, 4]);
  assert.deepEqual(hitsOf(NAMES, "cat"), [1, 5]);
});

test("what runs over several tokens is found at the first", () => {
  assert.deepEqual(hitsOf(NAMES, "cats"), [5]);
  assert.deepEqual(hitsOf(NAMES, "cat sat on"), [1]);
});

test("a token that holds a text twice is one hit", () => {
  assert.deepEqual(hitsOf(["banana", "an"], "an"), [0, 1]);
});

test("what is not there is not found", () => {
  assert.deepEqual(hitsOf(NAMES, "dog"), []);
  assert.deepEqual(hitsOf([], "dog"), []);
});

test("a text that is everywhere is found only so often", () => {
  assert.equal(hitsOf(new Array(MOST_HITS + 5).fill("a"), "a").length, MOST_HITS);
});
