// The tokens of a text as elements; of a long text only those near what is seen are made.

export const CHUNK = 400;  // tokens
const WIDE = 8;  // pixels of a character and of a line, until a chunk is made and its height known
const TALL_LINE = 30;
const NEAR = "400px";

export class TokenText {
  // `dress` is called with each token that is made, and its place.
  constructor(holder, text, dress) {
    this.text = text;
    this.dress = dress;
    this.elements = new Array(text.labels.length).fill(null);
    this.chunks = chunksOf(text).map(([start, stop]) => ({ start, stop, holder: document.createElement("div") }));
    holder.replaceChildren(...this.chunks.map((chunk) => chunk.holder));
    const lone = this.chunks.length < 2;
    const wide = Math.max(200, holder.clientWidth);
    for (const chunk of this.chunks) {
      chunk.holder.setAttribute("role", "presentation");
      if (lone) this.make(chunk);
      else chunk.holder.style.minHeight = `${linesOf(text, chunk, wide) * TALL_LINE}px`;
    }
    if (lone) return;
    this.observer = new IntersectionObserver((seen) => {
      for (const one of seen) if (one.isIntersecting) this.make(this.chunks.find((chunk) => chunk.holder === one.target));
    }, { root: holder, rootMargin: NEAR });
    for (const chunk of this.chunks) this.observer.observe(chunk.holder);
  }

  get length() {
    return this.elements.length;
  }

  // The element of a token; null where it has not been made.
  at(index) {
    return this.elements[index] ?? null;
  }

  // The element of a token, made if need be.
  made(index) {
    const chunk = this.chunks.find(({ stop }) => index < stop);
    if (chunk) this.make(chunk);
    return this.at(index);
  }

  leave() {
    this.observer?.disconnect();
  }

  make(chunk) {
    if (chunk.made) return;
    chunk.made = true;
    const { labels, special, starts, breaks } = this.text;
    const pieces = [];
    for (let index = chunk.start; index < chunk.stop; index++) {
      const token = document.createElement("span");
      token.className = "token";
      if (special[index]) token.classList.add("special");
      else if (index > 0 && !starts[index] && !special[index - 1]) token.classList.add("piece");
      token.dataset.index = index;
      token.textContent = labels[index];
      token.setAttribute("role", "option");
      // A real space, so that lines break there and right-to-left words keep their order.
      if (index > 0 && starts[index]) pieces.push(" ");
      pieces.push(token);
      if (breaks[index]) pieces.push(document.createElement("br"));
      this.elements[index] = token;
      this.dress(token, index);
    }
    chunk.holder.replaceChildren(...pieces);
    chunk.holder.style.minHeight = "";
    this.observer?.unobserve(chunk.holder);
  }
}

// First token of each chunk and the one after its last; a chunk ends where a word does.
export function chunksOf({ labels, starts }) {
  const spans = [];
  for (let start = 0; start < labels.length;) {
    let stop = Math.min(labels.length, start + CHUNK);
    while (stop < labels.length && stop < start + 2 * CHUNK && !starts[stop]) stop++;
    spans.push([start, stop]);
    start = stop;
  }
  return spans;
}

// About how many lines a chunk takes, so many pixels wide.
export function linesOf({ labels, breaks }, { start, stop }, wide) {
  let characters = 0;
  let lines = 1;
  for (let index = start; index < stop; index++) {
    characters += labels[index].length + 1;
    if (breaks[index]) lines++;
  }
  return lines + Math.floor((characters * WIDE) / wide);
}
