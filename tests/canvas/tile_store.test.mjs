// Tiles that are fetched, given up and kept.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { FETCHED_AT_ONCE, KEPT_TILES, TileStore } from "../../components/canvas/shared/tile_store.js";

const real = globalThis.fetch;
afterEach(() => { globalThis.fetch = real; });

function tile(bits = [1], rows = 1, columns = bits.length) {
  return new Response(Uint16Array.from(bits), { headers: { "X-Rows": `${rows}`, "X-Columns": `${columns}` } });
}

// A server whose answers are given by hand; what is aborted fails as in a browser.
function serverByHand() {
  const asked = [];
  globalThis.fetch = (url, { signal }) => new Promise((resolve, reject) => {
    asked.push({ url, answer: resolve, fail: reject });
    signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
  });
  return asked;
}

const soon = () => new Promise((done) => setImmediate(done));

async function settled(store) {
  while (store.busy) await soon();
}

test("a tile that is given up and wanted again comes", async () => {
  const asked = serverByHand();
  const store = new TileStore("/head", () => {}, assert.fail);
  store.want(["max/0/1/1"]);
  store.want(["max/0/2/2"]);
  store.want(["max/0/1/1"]);
  assert.deepEqual(asked.map(({ url }) => url), ["/head/tile/max/0/1/1", "/head/tile/max/0/2/2", "/head/tile/max/0/1/1"]);
  asked[2].answer(tile([7]));
  await settled(store);
  assert.deepEqual([...store.get("max", 0, 1, 1).bits], [7]);
  assert.equal(store.get("max", 0, 2, 2), undefined);
});

test("a tile comes with its sides", async () => {
  globalThis.fetch = async () => tile([1, 2, 3, 4, 5, 6], 2, 3);
  const store = new TileStore("/head", () => {}, assert.fail);
  store.want(["mean/1/0/0"]);
  await settled(store);
  const { rows, columns, bits } = store.get("mean", 1, 0, 0);
  assert.deepEqual([rows, columns, bits.length], [2, 3, 6]);
});

test("no more are asked for at once than a browser has connections", async () => {
  const asked = serverByHand();
  const store = new TileStore("/head", () => {}, assert.fail);
  store.want(Array.from({ length: 9 }, (_, column) => `max/0/0/${column}`));
  assert.equal(asked.length, FETCHED_AT_ONCE);
  asked[0].answer(tile());
  await soon();
  await soon();
  assert.equal(asked.length, FETCHED_AT_ONCE + 1);
  store.close();
});

test("what is seen is not asked for twice", async () => {
  const asked = serverByHand();
  const store = new TileStore("/head", () => {}, assert.fail);
  store.want(["max/0/0/0"]);
  store.want(["max/0/0/0", "max/0/0/1"]);
  assert.equal(asked.length, 2);
  for (const { answer } of asked) answer(tile());
  await settled(store);
  store.want(["max/0/0/0"]);
  assert.equal(asked.length, 2);
});

test("the tiles that were looked at longest ago are let go", async () => {
  globalThis.fetch = async () => tile();
  const store = new TileStore("/head", () => {}, assert.fail);
  store.want(Array.from({ length: KEPT_TILES }, (_, column) => `max/0/0/${column}`));
  await settled(store);
  store.get("max", 0, 0, 0);
  store.want(["max/0/1/0"]);
  await settled(store);
  assert.equal(store.kept.size, KEPT_TILES);
  assert.ok(store.get("max", 0, 0, 0), "it was looked at since");
  assert.equal(store.get("max", 0, 0, 1), undefined);
});

test("a server that answers again is not said to be silent", async () => {
  const said = [];
  const answers = [() => Promise.reject(new TypeError("failed to fetch")), async () => tile(), async () => tile()];
  globalThis.fetch = () => answers.shift()();
  const store = new TileStore("/head", () => {}, (words) => {
    said.push(words);
    if (words) store.want(["max/0/1/1"]);
  });
  store.want(["max/0/0/0"]);
  await settled(store);
  store.want(["max/0/2/2"]);
  await settled(store);
  assert.deepEqual(said, ["The app does not answer. Is it still running?", ""], "once, and taken back once");
});

test("a refusal is told in the server's own words", async () => {
  const said = [];
  const told = JSON.stringify({ error: "It is gone.", hint: "Run it anew." });
  globalThis.fetch = async () => new Response(told, { status: 404 });
  const store = new TileStore("/head", () => {}, (words) => said.push(words));
  store.want(Array.from({ length: 20 }, (_, column) => `max/0/0/${column}`));
  await settled(store);
  assert.equal(new Set(said).size, 1);
  assert.equal(said[0], "It is gone. Run it anew.");
  assert.ok(said.length <= FETCHED_AT_ONCE, "what is gone is not asked for tile by tile");
});

test("a busy server is asked again", async () => {
  const answers = [new Response("", { status: 429 }), tile([9])];
  globalThis.fetch = async () => answers.shift();
  const came = new Promise((done) => {
    const store = new TileStore("/head", () => done(store.get("max", 0, 0, 0)), assert.fail);
    store.want(["max/0/0/0"]);
  });
  assert.deepEqual([...(await came).bits], [9]);
});

test("a store that is closed says nothing more", async () => {
  const asked = serverByHand();
  const store = new TileStore("/head", assert.fail, assert.fail);
  store.want(["max/0/0/0"]);
  store.close();
  await soon();
  store.want(["max/0/0/1"]);
  assert.equal(asked.length, 1);
});
