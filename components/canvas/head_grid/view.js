// All heads at a glance; outlines are the selected ones, in the colours that their lines have elsewhere.

const instances = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let grid = instances.get(parentElement);
  if (!grid) {
    grid = build(parentElement);
    instances.set(parentElement, grid);
  }
  grid.send = (selected) => setTriggerValue("picked", selected);
  take(grid, data);
  grid.observer.observe(grid.root);
  return () => grid.observer.disconnect();
}

function build(parentElement) {
  const root = parentElement.querySelector(".grid");
  const find = (name) => parentElement.querySelector(name);
  const grid = {
    root, scroll: find(".scroll"), room: find(".room"), canvas: find("canvas"), tip: find(".tip"),
    option: find(".option"), said: find(".said"), data: null, layout: null, mosaic: null, painted: new Map(),
    selected: [], sent: [], cursor: -1, hovered: -1, pointer: null, zoom: 0, frame: 0, timer: 0,
  };
  wireGrid(grid, { smaller: find(".smaller"), larger: find(".larger") });
  grid.observer = new ResizeObserver(() => {
    arrange(grid);
    draw(grid);
  });
  return grid;
}

function take(grid, data) {
  const before = grid.data;
  grid.data = data;
  grid.numbers = data.numbers.getChildAt(0).toArray();
  grid.indices = new Map(data.layers.map((layer, index) => [`${layer}.${data.heads[index]}`, index]));
  const painting = [data.name, data.picture?.name, data.palette.join()].join("/");
  if (painting !== grid.painting) {
    grid.painting = painting;
    grid.mosaic = paintMosaic(data);
    grid.ground = data.picture && paintGround(data);
    grid.painted.clear();
  }
  const given = data.selected.map((place) => grid.indices.get(place.join("."))).filter((index) => index >= 0);
  const theirs = data.selected.join("/") !== before?.selected.join("/");
  // Over a picture another query makes other pictures of the same heads.
  const run = data.picture ? data.result : data.name;
  const other = grid.run !== run;
  grid.run = run;
  if (other) grid.sent = [];
  const mine = grid.sent.lastIndexOf(data.selected.join("/"));
  grid.sent.splice(0, mine + 1);
  const elsewhere = theirs && mine < 0;
  // An answer to an earlier step of a walk does not take the walker back.
  const ahead = grid.timer || grid.sent.length;
  if (other || !ahead || elsewhere) {
    grid.selected = given;
    grid.sent = [];
  }
  const arranged = [run, data.flow, data.order.join()].join("/");
  const anew = arranged !== grid.arranged;
  grid.arranged = arranged;
  if (anew || elsewhere) grid.cursor = grid.selected[0] ?? -1;
  arrange(grid);
  if (anew && before) grid.scroll.scrollTop = grid.scroll.scrollLeft = 0;
  // Sorted heads are read from the first on, wherever the selected one stands.
  if (data.flow ? before && elsewhere && !anew : anew || elsewhere) reveal(grid, grid.cursor);
  tell(grid);
  draw(grid);
  if (anew) performance.mark("head grid drawn");
}

function arrange(grid) {
  grid.layout = layOut(grid.data, grid.root.clientWidth || 360, grid.zoom);
  const { width, height } = grid.layout;
  grid.room.style.width = `${width}px`;
  grid.room.style.height = `${height}px`;
  const sharp = window.devicePixelRatio || 1;
  const colour = getComputedStyle(grid.root).color;
  const look = [grid.arranged, grid.layout.cell, grid.layout.columns, sharp, colour].join("/");
  if (look !== grid.look) grid.painted.clear();
  grid.look = look;
  const wide = Math.min(width, grid.scroll.clientWidth || width);
  const tall = Math.min(height, grid.scroll.clientHeight || height);
  const size = [Math.round(wide * sharp), Math.round(tall * sharp)];
  if (grid.canvas.width === size[0] && grid.canvas.height === size[1]) return;
  [grid.canvas.width, grid.canvas.height] = size;
  grid.canvas.style.width = `${wide}px`;
  grid.canvas.style.height = `${tall}px`;
}

function soon(grid) {
  if (grid.frame) return;
  grid.frame = requestAnimationFrame(() => {
    tell(grid);
    draw(grid);
  });
}

function say(grid, words) {
  grid.said.textContent = words;
  clearTimeout(grid.saying);
  grid.saying = setTimeout(() => { grid.said.textContent = ""; }, 6000);
}

// Say of a head what its picture cannot.
function tell(grid) {
  const focused = grid.cursor >= 0 && grid.root.matches(":focus-visible");
  const shown = grid.hovered >= 0 ? grid.hovered : focused ? grid.cursor : grid.selected[0] ?? -1;
  const words = shown < 0 ? "" : wordsOf(grid, shown);
  if (grid.tip.textContent !== words) grid.tip.textContent = words;
  if (grid.cursor < 0) return;
  const { option } = grid;
  option.textContent = wordsOf(grid, grid.cursor);
  option.setAttribute("aria-selected", grid.selected.includes(grid.cursor));
  option.setAttribute("aria-setsize", grid.data.order.length);
  option.setAttribute("aria-posinset", grid.data.order.indexOf(grid.cursor) + 1);
}

function wordsOf({ data, numbers }, index) {
  const count = data.layers.length;
  const place = `layer ${data.layers[index]}, head ${data.heads[index]}`;
  if (data.words.length && data.words.every((_, row) => !Number.isFinite(numbers[row * count + index]))) return `${place}: not drawn yet`;
  const parts = data.words.map(([name, unit], row) => {
    const number = numbers[row * count + index];
    return `${name} ${Number.isFinite(number) ? threeDigits(number) : "none"} ${unit}`.trimEnd();
  });
  return `${place}: ${parts.join(", ")}`;
}
