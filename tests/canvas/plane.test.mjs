// A plane of cells that is zoomed and moved.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Geometry } from "../../components/canvas/attention_map/geometry.js";
import { clamp, drawRun, Plane, shortened } from "../../components/canvas/shared/plane.js";

const MARGIN = { left: 100, top: 50, right: 10, bottom: 10 };

function plane(queries = 10, keys = 20) {
  return new Plane({ margin: MARGIN, width: 400, height: 200, queries, keys, largest: 40 });
}

function shown(span, made = plane()) {
  made.zoom = made.zoomTo(span);
  return made;
}

test("a point belongs to the cell that is drawn there, whatever the zoom", () => {
  for (const span of [[0, 10, 0, 20], [2, 6, 4, 12], [7, 10, 15, 20]]) {
    const made = shown(span);
    const { rows, columns } = made.seen;
    for (let query = rows[0]; query < rows[1]; query++) {
      for (let key = columns[0]; key < columns[1]; key++) {
        assert.deepEqual(made.at(made.left(key + 0.5), made.top(query + 0.5)), { query, key });
      }
    }
  }
});

test("a point beyond the edge belongs to the cell at the edge", () => {
  assert.deepEqual(plane().at(-5, -5), { query: 0, key: 0 });
  assert.deepEqual(plane().at(9999, 9999), { query: 9, key: 19 });
});

test("margins are not inside", () => {
  const made = plane();
  assert.ok(made.inside(100, 50));
  assert.ok(!made.inside(99, 50) && !made.inside(100, 49));
  assert.ok(!made.inside(500, 50) && !made.inside(100, 250));
});

test("the whole is seen at first", () => {
  assert.deepEqual(plane().seen, { rows: [0, 10], columns: [0, 20] });
  assert.deepEqual(plane().zoomTo([0, 10, 0, 20]), { k: 1, x: 0, y: 0 });
});

test("a span is as large as it fits, in the middle", () => {
  const made = shown([4, 6, 8, 12]);
  assert.equal(made.zoom.k, 2, "the closest: a cell of 20 pixels is not made larger than 40");
  const middle = [(made.left(8) + made.left(12)) / 2, (made.top(4) + made.top(6)) / 2];
  assert.deepEqual(middle, [300, 150]);
});

test("nothing beyond the pattern is ever shown", () => {
  for (const span of [[-5, 1, -5, 1], [8, 14, 18, 24], [-100, 100, -100, 100]]) {
    const made = shown(span);
    const gaps = [made.left(0) - MARGIN.left, made.top(0) - MARGIN.top, MARGIN.left + 400 - made.left(20), MARGIN.top + 200 - made.top(10)];
    assert.ok(Math.max(...gaps) < 1e-9, `${span}: ${gaps}`);
    assert.ok(made.zoom.k >= 1 && made.zoom.k <= made.closest, `${span}`);
  }
});

test("cells that are large already are not zoomed", () => {
  assert.equal(plane(2, 4).closest, 1);
});

test("a step ends at the edge", () => {
  assert.deepEqual(plane().moved({ query: 3, key: 3 }, 1, -1), { query: 4, key: 2 });
  assert.deepEqual(plane().moved({ query: 9, key: 0 }, 1, -1), { query: 9, key: 0 });
});

test("what is out of sight is moved as little as brings it in", () => {
  const made = shown([0, 5, 0, 10]);
  assert.deepEqual(made.outOfSight({ query: 2, key: 2 }), { down: 0, right: 0 });
  assert.deepEqual(made.outOfSight({ query: 5, key: 10 }), { down: -40, right: -40 });
  assert.deepEqual(made.outOfSight({ query: 6 }), { down: -80, right: 0 });
  assert.deepEqual(shown([5, 10, 10, 20]).outOfSight({ query: 4, key: 9 }), { down: 40, right: 40 });
});

test("clamp keeps to both ends", () => {
  assert.deepEqual([-1, 0.5, 2].map((value) => clamp(value, 0, 1)), [0, 0.5, 1]);
});

function named(span, size, apart) {
  const found = [];
  drawRun(span, size, (index) => found.push(index), apart);
  return found;
}

test("every unit is named where there is room", () => {
  assert.deepEqual(named([3, 6], 11), [3, 4, 5]);
});

test("else those at round numbers are, far enough apart", () => {
  assert.deepEqual(named([0, 40], 4, 34), [0, 10, 20, 30]);
  assert.deepEqual(named([7, 40], 7, 34), [10, 15, 20, 25, 30, 35]);
  for (const size of [10, 3, 1, 0.1, 0.003]) {
    const [first, second] = named([0, 1e5], size, 34);
    assert.ok((second - first) * size >= 34 || second === undefined, `${size}`);
    assert.match(`${second - first}`, /^(1|2|5)0*$/);
  }
});

test("a name is cut where it has no room, and never through a character", () => {
  const context = { measureText: (text) => ({ width: 10 * [...text].length }) };
  assert.equal(shortened(context, "street", 60), "street");
  assert.equal(shortened(context, "street", 40), "str…");
  assert.equal(shortened(context, "😀😀😀", 20), "😀…");
});

function map(queries = 1000, keys = 1000) {
  return new Geometry(700, 560, 1, { queries, keys });
}

test("an arrow key leads to the next cell, or as far as can be seen where cells are small", () => {
  assert.deepEqual(map(10, 10).steppedTo({ query: 3, key: 3 }, [1, 0]), { query: 4, key: 3 });
  const small = map(10_000, 10_000);
  const { query } = small.steppedTo({ query: 0, key: 0 }, [1, 0]);
  assert.ok(query * small.cell.y >= 1.9 && query * small.cell.y <= 2.1, `${query}`);
});

test("a page is a quarter of what is seen", () => {
  const made = shown([400, 600, 400, 600], map());
  const { rows, columns } = made.seen;
  const by = (rows[1] - rows[0]) / 4;
  assert.deepEqual(made.paged([1, 0]), [rows[0] + by, rows[1] + by, ...columns]);
});

test("the view follows a cell that leaves it, as little as it must", () => {
  const made = shown([400, 600, 400, 600], map());
  const { rows, columns } = made.seen;
  assert.equal(made.following({ query: rows[0], key: columns[1] - 1 }), null);
  assert.deepEqual(made.following({ query: rows[1], key: columns[0] }), [rows[0] + 1, rows[1] + 1, ...columns]);
  assert.deepEqual(made.following({ query: rows[0], key: columns[0] - 2 }), [...rows, columns[0] - 2, columns[1] - 2]);
});

test("a cell that is gone to is large enough to be seen, whatever the pattern's sides", () => {
  for (const [queries, keys] of [[1000, 1000], [10, 5000], [5000, 10], [5, 5]]) {
    const made = map(queries, keys);
    const place = { query: Math.floor(queries / 2), key: Math.floor(keys / 2) };
    shown(made.around(place), made);
    assert.ok(Math.min(made.cell.x, made.cell.y) >= 3.99, `${queries} x ${keys}`);
    const { down, right } = made.outOfSight(place);
    assert.ok(Math.abs(down) < 1e-6 && Math.abs(right) < 1e-6, `${down} ${right}`);
  }
});

test("what is centred on a point of the small map keeps its size", () => {
  const made = shown([400, 600, 400, 600], map());
  const [top, bottom, left, right] = made.centredOn({ query: 500, key: 250 });
  const { rows, columns } = made.seen;
  assert.deepEqual([bottom - top, right - left], [rows[1] - rows[0], columns[1] - columns[0]]);
  assert.deepEqual([(top + bottom) / 2, (left + right) / 2], [500, 250]);
});
