// Where the cells of the map lie, and which tiles are seen.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Geometry, smallMapOf, within } from "../../components/canvas/attention_map/geometry.js";
import { KEPT_TILES, TILE_SIDE } from "../../components/canvas/shared/tile_store.js";

function levelsOf(queries, keys) {
  return 1 + Math.max(0, Math.ceil(Math.log2(Math.max(queries, keys) / TILE_SIDE)));
}

for (const [queries, keys] of [[10, 131_072], [131_072, 10], [16_384, 16_384], [300, 300], [1, 1]]) {
  for (const sharp of [1, 2]) {
    test(`no view of ${queries} x ${keys} at ${sharp} pixels needs more tiles than are kept`, () => {
      const geometry = new Geometry(700, 560, sharp, { queries, keys });
      const level = geometry.level(levelsOf(queries, keys));
      const count = geometry.tiles(level).length;
      assert.equal(count, geometry.tileCount(level));
      assert.ok(count >= 1 && count <= KEPT_TILES, `${count}`);
    });
  }
}

test("a sharper screen asks for a finer level", () => {
  const levelAt = (sharp) => new Geometry(700, 560, sharp, { queries: 8192, keys: 8192 }).level(6);
  assert.deepEqual([1, 2, 4].map(levelAt), [4, 3, 2]);
});

test("the finest level is seen where a cell is as large as a pixel", () => {
  const geometry = new Geometry(700, 560, 1, { queries: 8192, keys: 8192 });
  geometry.zoom = geometry.zoomTo([100, 300, 100, 300]);
  assert.equal(geometry.level(6), 0);
  const { rows, columns } = geometry.seen;
  assert.ok(rows[0] <= 100 && rows[1] >= 300 && columns[0] <= 100 && columns[1] >= 300);
});

test("tiles in the middle come first, those at the edge last", () => {
  const geometry = new Geometry(700, 560, 1, { queries: 1280, keys: 1280 });
  const tiles = geometry.tiles(0);
  assert.equal(tiles.length, 25);
  assert.deepEqual([tiles[0].row, tiles[0].column], [2, 2]);
  assert.ok([0, 4].includes(tiles.at(-1).row) && [0, 4].includes(tiles.at(-1).column));
});

test("a narrow map has narrow margins", () => {
  const wide = new Geometry(520, 560, 1, { queries: 10, keys: 10 });
  const narrow = new Geometry(519, 560, 1, { queries: 10, keys: 10 });
  assert.ok(wide.margin.left > narrow.margin.left);
  assert.equal(wide.margin.left + wide.width + wide.margin.right, 520);
});

test("the small map is there only where one has zoomed in", () => {
  const geometry = new Geometry(700, 560, 1, { queries: 500, keys: 1000 });
  assert.equal(smallMapOf(geometry), null);
  geometry.zoom = geometry.zoomTo([0, 50, 0, 100]);
  const small = smallMapOf(geometry);
  assert.equal(small.width / small.height, 2);
  const inside = { x: small.left + 1, y: small.top + 1 };
  assert.ok(within(small, inside) && geometry.inside(inside.x, inside.y));
  assert.ok(!within(small, { x: small.left - 1, y: small.top }));
});
