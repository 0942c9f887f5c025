// Tiles of one head's pattern: fetched when they are seen, given up when they are not, kept a while.

export const TILE_SIDE = 256;
export const FETCHED_AT_ONCE = 5;  // a browser opens six connections, and one is the page's own
export const KEPT_TILES = 400;
const STALE_STATUS = [404, 410];

export class TileStore {
  // base: URL of the head; onTile: called when one has come; onError: called with a sentence.
  constructor(base, onTile, onError) {
    this.base = base;
    this.onTile = onTile;
    this.onError = onError;
    this.kept = new Map();
    this.wanted = [];
    this.running = new Map();
    this.unanswered = false;
    this.closed = false;
  }

  get(pooling, level, row, column) {
    const key = `${pooling}/${level}/${row}/${column}`;
    const tile = this.kept.get(key);
    if (tile) {
      this.kept.delete(key);
      this.kept.set(key, tile);
    }
    return tile;
  }

  // Say which tiles are seen, those that matter most first; all others are given up.
  want(keys) {
    this.wanted = keys.filter((key) => !this.kept.has(key));
    const seen = new Set(keys);
    // What is given up leaves at once, so that it can be wanted again before its end is heard of.
    for (const [key, control] of this.running) {
      if (seen.has(key)) continue;
      this.running.delete(key);
      control.abort();
    }
    this.next();
  }

  get busy() {
    return this.running.size + this.wanted.length > 0;
  }

  next() {
    while (!this.closed && this.running.size < FETCHED_AT_ONCE && this.wanted.length) {
      const key = this.wanted.shift();
      if (!this.running.has(key) && !this.kept.has(key)) this.fetch(key);
    }
  }

  async fetch(key) {
    const control = new AbortController();
    this.running.set(key, control);
    try {
      const answer = await fetch(`${this.base}/tile/${key}`, { signal: control.signal });
      if (answer.ok) this.keep(key, answer, new Uint16Array(await answer.arrayBuffer()));
      else await this.refused(key, answer, control.signal);
    } catch (error) {
      if (error.name !== "AbortError") {
        this.unanswered = true;
        this.fail("The app does not answer. Is it still running?");
      }
    }
    if (this.running.get(key) === control) this.running.delete(key);
    this.next();
  }

  keep(key, answer, bits) {
    const rows = Number(answer.headers.get("X-Rows"));
    const columns = Number(answer.headers.get("X-Columns"));
    this.kept.set(key, { bits, rows, columns, picture: null, colours: null });
    for (const old of this.kept.keys()) {
      if (this.kept.size <= KEPT_TILES) break;
      this.kept.delete(old);
    }
    if (this.closed) return;
    if (this.unanswered) this.onError("");
    this.unanswered = false;
    this.onTile();
  }

  async refused(key, answer, signal) {
    if (answer.status === 429) {
      await new Promise((done) => setTimeout(done, 300));
      if (signal.aborted) return;
      this.running.delete(key);
      this.wanted.push(key);
      return;
    }
    const told = await answer.json().catch(() => ({ error: "The app failed.", hint: "" }));
    if (STALE_STATUS.includes(answer.status)) this.wanted = [];
    this.fail(`${told.error} ${told.hint}`);
  }

  fail(sentence) {
    if (!this.closed) this.onError(sentence);
  }

  close() {
    this.closed = true;
    for (const control of this.running.values()) control.abort();
  }
}

export async function fetchJson(url) {
  const answer = await fetch(url);
  const told = await answer.json();
  if (!answer.ok) throw new Error(`${told.error} ${told.hint}`);
  return told;
}

export async function fetchFloats(url, signal) {
  const answer = await fetch(url, { signal });
  if (answer.ok) return new Float32Array(await answer.arrayBuffer());
  const told = await answer.json();
  throw new Error(`${told.error} ${told.hint}`);
}
