// Numbers and their colours.

import assert from "node:assert/strict";
import { test } from "node:test";

import { curveOf, mapColours } from "../../components/canvas/attention_map/colours.js";
import { differenceInk, differenceOf, overlayInk, weightInk } from "../../components/canvas/compare_view/colours.js";
import { colourTable, halfValues, inkOn, isolated, threeDigits } from "../../components/canvas/shared/paint.js";

const GREYS = Array.from({ length: 768 }, (_, at) => Math.floor(at / 3));
const ONE = 0x3c00;  // half floats
const QUARTER = 0x3400;
const INFINITE = 0xfc00;
const NOT_A_NUMBER = 0x7e00;

function rgb(pixel) {
  return [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
}

test("half floats are read as what they are", () => {
  const known = { 0: 0, 0x3c00: 1, 0xc000: -2, 0x3800: 0.5, 0x0001: 2 ** -24, 0x03ff: 1023 * 2 ** -24, 0x7bff: 65504 };
  for (const [bits, value] of Object.entries(known)) assert.equal(halfValues[bits], value);
});

test("a palette is walked by the curve of the weight", () => {
  const table = colourTable(GREYS, Math.sqrt);
  assert.deepEqual([0, QUARTER, ONE].map((bits) => rgb(table[bits])[0]), [0, 128, 255]);
  assert.equal(table[ONE] >>> 24, 255, "it is not clear");
});

test("what is beyond the palette takes its ends", () => {
  const table = colourTable(GREYS, (value) => value);
  assert.deepEqual(rgb(table[0x4000]), [255, 255, 255]);
  assert.deepEqual(rgb(table[0xc000]), [0, 0, 0]);
});

test("what may not be attended to has its own colour in the map", () => {
  const table = mapColours({ palette: GREYS, scale: "linear", never: [1, 2, 3] }, 1);
  assert.deepEqual(rgb(table[INFINITE]), [1, 2, 3]);
  assert.deepEqual(rgb(table[NOT_A_NUMBER]), [1, 2, 3]);
  assert.deepEqual(rgb(table[QUARTER]), [128, 128, 128]);
});

test("numbers on both sides of 0 lie on both sides of the palette's middle", () => {
  const given = { palette: GREYS, scale: "linear", never: [1, 2, 3], signed: true };
  const table = mapColours(given, 1);
  const [none, up, down, most, least] = [0, QUARTER, QUARTER | 0x8000, ONE, ONE | 0x8000].map((bits) => rgb(table[bits])[0]);
  assert.deepEqual([none, most, least], [128, 255, 0]);
  // The square root of a quarter is a half of the way to each end.
  assert.deepEqual([up, down], [191, 64]);
  assert.deepEqual(rgb(table[NOT_A_NUMBER]), [1, 2, 3]);
});

test("both scales run from nothing to the largest weight", () => {
  for (const scale of ["linear", "log"]) {
    const curve = curveOf(scale, 0.2);
    assert.deepEqual([0, 0.2, 1].map(curve), [0, 1, 1]);
  }
  assert.equal(curveOf("linear", 0.2)(0.05), 0.5);
  assert.equal(curveOf("log", 1)(0.01).toFixed(9), "0.500000000");
});

test("three digits are said, and no more than there are", () => {
  const said = { 0: "0", 0.064439: "0.0644", 0.12345: "0.123", 0.99951: "1", 0.5: "0.5", 1234.5: "1230" };
  for (const [value, text] of Object.entries(said)) assert.equal(threeDigits(Number(value)), text);
  assert.equal(threeDigits(3.4567e-8), "3.46e-8");
  assert.equal(threeDigits(NaN), "NaN");
});

test("only what is written from the right is set apart", () => {
  assert.equal(isolated("cat"), "cat");
  assert.equal(isolated("שלום"), "\u2068שלום\u2069");
});

test("ink is black on light colours and white on dark ones", () => {
  assert.equal(inkOn(255, 255, 255), "#000");
  assert.equal(inkOn(255, 255, 0), "#000");
  assert.equal(inkOn(0, 0, 0), "#fff");
  assert.equal(inkOn(0, 34, 78), "#fff");
});

const COMPARED = {
  palette: GREYS, diverging: GREYS, never: [9, 9, 9], largest: 1, difference: 0.5, scale: "linear",
  hues: [[0, 0, 255], [255, 0, 0]], agreed: [128, 128, 128],
};

test("a side's weight, what it may not attend to and what has no partner look different", () => {
  const ink = weightInk(COMPARED, 1);
  assert.deepEqual(rgb(ink(0, 1)), [255, 255, 255]);
  assert.deepEqual(rgb(ink(0, -Infinity)), [9, 9, 9]);
  assert.equal(ink(0, NaN), 0);
});

test("a root scale shows small weights", () => {
  assert.deepEqual(rgb(weightInk({ ...COMPARED, scale: "root" }, 0)(0.25, 0)), [128, 128, 128]);
});

test("a difference runs both ways from the middle", () => {
  const ink = differenceInk(COMPARED);
  assert.deepEqual([ink(0.5, 0), ink(0.2, 0.2), ink(0, 0.5)].map((pixel) => rgb(pixel)[0]), [0, 128, 255]);
  assert.deepEqual(rgb(ink(0, 0.75)), [255, 255, 255], "more than the scale's end is its end");
  assert.deepEqual(rgb(ink(-Infinity, -Infinity)), [9, 9, 9]);
  assert.equal(ink(NaN, 0.3), 0);
});

test("what may not be attended to counts as nothing in a difference", () => {
  assert.equal(differenceOf(-Infinity, 0.25), 0.25);
  assert.equal(differenceOf(0.25, -Infinity), -0.25);
  assert.ok(Number.isNaN(differenceOf(-Infinity, -Infinity)));
  assert.ok(Number.isNaN(differenceOf(NaN, 0.25)));
});

test("over each other as much of both has no hue", () => {
  const ink = overlayInk(COMPARED);
  assert.deepEqual(rgb(ink(0, 0)), [0, 0, 0]);
  assert.deepEqual(rgb(ink(1, 1)), [128, 128, 128]);
  assert.deepEqual(rgb(ink(1, 0)), [0, 0, 255]);
  assert.deepEqual(rgb(ink(0, 1)), [255, 0, 0]);
  assert.deepEqual(rgb(ink(-Infinity, -Infinity)), [9, 9, 9]);
  assert.equal(ink(NaN, 1), 0);
});
