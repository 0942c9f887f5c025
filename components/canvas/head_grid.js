// All heads at a glance: rows are layers, columns are heads, the outline is the selected one.

const GUTTER = 26;
const HEADER = 18;
const GAP = 2;
const SMALLEST = 14;
const LARGEST = 64;
const TALLEST = 530;  // what the page has room for without a scroll of its own

const instances = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let grid = instances.get(parentElement);
  if (!grid) {
    grid = build(parentElement);
    instances.set(parentElement, grid);
  }
  grid.send = (selected) => setTriggerValue("picked", selected);
  grid.data = data;
  grid.selected = [...data.selected];
  grid.mosaic = paintMosaic(data);
  grid.draw();
  grid.say(grid.selected);
  grid.reveal();
  return () => grid.observer.disconnect();
}

function build(parentElement) {
  const root = parentElement.querySelector(".grid");
  const scroll = root.querySelector(".scroll");
  const canvas = root.querySelector("canvas");
  const tip = root.querySelector(".tip");
  const grid = { selected: [0, 0], hovered: null };

  grid.cell = () => {
    const columns = Math.max(...grid.data.heads) + 1;
    const free = (scroll.clientWidth || 360) - GUTTER - 2;
    const lines = Math.max(...grid.data.layers) + 1;
    const fitting = Math.min(Math.floor(free / columns), Math.floor((TALLEST - HEADER) / lines));
    return Math.max(SMALLEST, Math.min(LARGEST, fitting));
  };
  grid.reveal = () => {
    const top = HEADER + grid.selected[0] * grid.cell();
    const seen = scroll.scrollTop <= top && top + grid.cell() <= scroll.scrollTop + scroll.clientHeight;
    if (!seen) scroll.scrollTop = top - scroll.clientHeight / 2;
  };
  grid.draw = () => draw(grid, root, canvas);
  grid.say = (at) => {
    const index = indexOf(grid.data, at);
    tip.textContent = index < 0 ? "" : grid.data.tips[index];
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const size = grid.cell();
    const place = [
      Math.floor((event.clientY - box.top - HEADER) / size),
      Math.floor((event.clientX - box.left - GUTTER) / size),
    ];
    return indexOf(grid.data, place) < 0 ? null : place;
  };
  const select = (place, pause = 0) => {
    if (!place || indexOf(grid.data, place) < 0) return;
    grid.selected = place;
    grid.draw();
    grid.say(place);
    clearTimeout(grid.timer);
    // Walking with the arrow keys sends only where it comes to rest.
    grid.timer = setTimeout(() => grid.send(place), pause);
  };
  canvas.onmousemove = (event) => {
    grid.hovered = at(event);
    grid.say(grid.hovered ?? grid.selected);
    grid.draw();
  };
  canvas.onmouseleave = () => {
    grid.hovered = null;
    grid.say(grid.selected);
    grid.draw();
  };
  canvas.onclick = (event) => select(at(event));
  root.onkeydown = (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    select([grid.selected[0] + step[0], grid.selected[1] + step[1]], 60);
  };
  grid.observer = new ResizeObserver(() => grid.draw());
  grid.observer.observe(scroll);
  return grid;
}

function indexOf(data, [layer, head]) {
  return data.layers.findIndex((one, index) => one === layer && data.heads[index] === head);
}

// Every thumbnail once, at its own resolution; drawing then only scales.
function paintMosaic(data) {
  const bits = halfBits(data.table);
  const colours = colourTable(data.palette, Math.sqrt);
  const mosaic = document.createElement("canvas");
  const count = data.layers.length;
  mosaic.width = data.columns;
  mosaic.height = data.rows * count;
  const image = new ImageData(mosaic.width, mosaic.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let index = 0; index < pixels.length; index++) pixels[index] = colours[bits[index]];
  mosaic.getContext("2d").putImageData(image, 0, 0);
  return mosaic;
}

function draw(grid, root, canvas) {
  const { data, mosaic, selected, hovered } = grid;
  const size = grid.cell();
  const sharp = window.devicePixelRatio || 1;
  const columns = Math.max(...data.heads) + 1;
  const lines = Math.max(...data.layers) + 1;
  const width = GUTTER + columns * size + 2;
  const height = HEADER + lines * size + 2;
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const style = getComputedStyle(root);
  const context = canvas.getContext("2d");
  context.scale(sharp, sharp);
  context.font = `11px ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textBaseline = "middle";
  const every = size < 18 ? 4 : 1;
  context.textAlign = "center";
  for (let head = 0; head < columns; head += every)
    context.fillText(head, GUTTER + (head + 0.5) * size, HEADER / 2);
  context.textAlign = "right";
  for (let layer = 0; layer < lines; layer++)
    if (layer % every === 0) context.fillText(layer, GUTTER - 6, HEADER + (layer + 0.5) * size);
  context.imageSmoothingEnabled = data.columns > size;
  data.layers.forEach((layer, index) => {
    const x = GUTTER + data.heads[index] * size;
    const y = HEADER + layer * size;
    context.drawImage(
      mosaic, 0, index * data.rows, data.columns, data.rows,
      x + GAP / 2, y + GAP / 2, size - GAP, size - GAP,
    );
  });
  context.lineWidth = 2;
  for (const [place, colour] of [[hovered, style.color], [selected, "#d55e00"]]) {
    if (!place) continue;
    context.strokeStyle = colour;
    context.strokeRect(GUTTER + place[1] * size + 1, HEADER + place[0] * size + 1, size - 2, size - 2);
  }
}
