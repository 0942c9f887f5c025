// Where the heads of the grid stand, how one walks through them, and what is said of them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { wordsOf } from "../../components/canvas/head_grid/labels.js";
import { isInSight, layOut, pictureAt, placeOf, steppedTo } from "../../components/canvas/head_grid/layout.js";
import { headOf, toggled } from "../../components/canvas/head_grid/selection.js";

// Layer 0 has three heads, layer 1 one, layer 2 two.
const UNEVEN = { layers: [0, 0, 0, 1, 2, 2], heads: [0, 1, 2, 0, 0, 1], order: [0, 1, 2, 3, 4, 5], flow: false };
const PAGE = 2;  // lines

function walked(data, index, keys, room = 300) {
  const layout = layOut(data, room, 0);
  const step = (at, key) => steppedTo(layout, at, key.replace("Ctrl+", ""), key.startsWith("Ctrl+"), PAGE);
  return keys.reduce(step, index);
}

function model(layers, heads, flow) {
  const all = [...new Array(layers * heads).keys()];
  return { layers: all.map((index) => Math.floor(index / heads)), heads: all.map((index) => index % heads), order: all, flow };
}

test("keys walk layers of different numbers of heads", () => {
  assert.equal(walked(UNEVEN, 2, ["ArrowDown"]), 3);
  assert.equal(walked(UNEVEN, 2, ["ArrowRight"]), 2);
  assert.equal(walked(UNEVEN, 0, ["End", "ArrowLeft"]), 1);
  assert.equal(walked(UNEVEN, 1, ["PageDown"]), 5);
  assert.equal(walked(UNEVEN, 0, ["Ctrl+End", "ArrowUp", "ArrowUp", "Home"]), 0);
  assert.equal(walked({ ...UNEVEN, order: [0, 2, 4] }, 2, ["ArrowLeft", "ArrowDown"]), 4);
  assert.equal(walked({ ...UNEVEN, order: [0, 2, 4] }, 3, ["ArrowLeft"]), 0, "from one that is left out");
});

test("reading order goes on in the next line", () => {
  const sorted = { ...UNEVEN, order: [5, 3, 1, 0, 2, 4], flow: true };
  assert.equal(walked(sorted, 5, new Array(5).fill("ArrowRight"), 150), 4);
  assert.equal(walked(sorted, 0, ["ArrowLeft"], 150), 1);
  assert.equal(walked(sorted, 5, ["ArrowDown"], 150), 0);
});

test("where there are no heads no key leads anywhere", () => {
  assert.equal(walked({ ...UNEVEN, order: [] }, -1, ["ArrowDown"]), -1);
});

for (const [layers, heads] of [[1, 1], [64, 8], [64, 64], [6, 12], [32, 32]]) {
  for (const room of [245, 346, 560]) {
    for (const flow of [false, true]) {
      test(`${layers} x ${heads} heads find their room in ${room} pixels, ${flow ? "sorted" : "by layer"}`, () => {
        const made = layOut(model(layers, heads, flow), room, 0);
        assert.equal(made.lines.flat().length, layers * heads);
        assert.ok(made.cell >= 12 && made.cell <= 96, `a cell of ${made.cell}`);
        assert.ok(made.width <= room || (!flow && made.cell === 12) || made.cell === 24, `${made.width} wide`);
      });
    }
  }
}

test("larger and smaller pictures end at the largest and the smallest", () => {
  const cellAt = (zoom) => layOut(model(6, 12, false), 560, zoom).cell;
  assert.ok(cellAt(-1) < cellAt(0) && cellAt(0) < cellAt(1));
  assert.deepEqual([cellAt(-9), cellAt(9)], [12, 96]);
});

test("the picture at a point is the one that stands there", () => {
  for (const flow of [false, true]) {
    const layout = layOut({ ...UNEVEN, flow }, 150, 0);
    for (const index of UNEVEN.order) {
      const { line, column } = placeOf(layout, index);
      const x = layout.gutter + (column + 0.5) * layout.cell;
      const y = layout.header + (line + 0.5) * layout.pitch;
      assert.equal(pictureAt(layout, x, y), index);
    }
  }
  const layout = layOut(UNEVEN, 150, 0);
  assert.equal(pictureAt(layout, layout.gutter + 1.5 * layout.cell, layout.header + 1.5 * layout.pitch), -1, "layer 1 has one");
  assert.equal(pictureAt(layout, 1, 9999), -1);
  assert.equal(placeOf(layout, 17), null);
});

test("what is cut off at an edge is not in sight", () => {
  assert.ok(isInSight(10, 10, 10, 10));
  assert.ok(!isInSight(9, 10, 10, 100));
  assert.ok(!isInSight(101, 10, 10, 100));
});

test("a head is added, taken away, and one always stays", () => {
  assert.deepEqual(toggled([3], 5, 8), { selected: [3, 5] });
  assert.deepEqual(toggled([3, 5], 3, 8), { selected: [5] });
  assert.deepEqual(toggled([3], 3, 8), { refused: "One head stays selected." });
});

test("no more heads are selected than there are colours", () => {
  assert.match(toggled([1, 2], 3, 2).refused, /^2 heads are selected, as many as there are colours/);
  assert.deepEqual(toggled([1, 2], 2, 2), { selected: [1] });
});

test("a head goes on with its own picture and address", () => {
  const table = { getChildAt: () => ({ toArray: () => Uint16Array.of(1, 2, 3, 4, 5, 6, 7, 8) }) };
  const data = { result: "loupe/abc/self", layers: [0, 4], heads: [0, 2], rows: 2, columns: 2, table };
  const { base, bits } = headOf(data, 1);
  assert.equal(base, "loupe/abc/self/4/2");
  assert.deepEqual([...bits], [5, 6, 7, 8]);
});

test("a head's numbers are said with their units, and what has none by name", () => {
  const data = { layers: [0, 4], heads: [0, 2], words: [["entropy", "nats"], ["sink", "%"]] };
  assert.equal(wordsOf({ data, numbers: [1, 2.3456, 3, NaN] }, 1), "layer 4, head 2: entropy 2.35 nats, sink none %");
  assert.equal(wordsOf({ data, numbers: [1, NaN, 3, NaN] }, 1), "layer 4, head 2: not drawn yet");
});
