// All heads at a glance; outlines are the selected ones, in the colours that their lines have elsewhere.

const EDGE = 3;  // two hairlines and the gap to the next picture
const HAIRLINE = 0.22;
const REST = 60;  // milliseconds; walking with the arrow keys sends only where it comes to rest
const KEPT_SCREENS = 3;  // of painted lines
const LEAST_ZOOM = -2;
const MOST_ZOOM = 5;
const WALKING = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"];

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
  const { canvas, scroll } = grid;
  canvas.onmousemove = (event) => {
    grid.pointer = [event.clientX, event.clientY];
    hover(grid, pictureUnder(grid));
  };
  canvas.onmouseleave = () => {
    grid.pointer = null;
    hover(grid, -1);
  };
  canvas.onclick = (event) => {
    grid.pointer = [event.clientX, event.clientY];
    const index = pictureUnder(grid);
    if (index < 0) return;
    grid.cursor = index;
    if (event.ctrlKey || event.metaKey || event.shiftKey) toggle(grid, index);
    else select(grid, [index]);
  };
  // With Ctrl a click on a Mac asks for the menu; here it adds a head.
  canvas.oncontextmenu = (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    canvas.onclick(event);
  };
  canvas.onmousedown = (event) => {
    if (event.shiftKey) event.preventDefault();  // no text is to be selected
    root.focus({ preventScroll: true });
  };
  scroll.onscroll = () => {
    if (grid.pointer) grid.hovered = pictureUnder(grid);
    soon(grid);
  };
  root.onkeydown = (event) => walk(grid, event);
  root.onfocus = root.onblur = () => soon(grid);
  for (const [name, step] of [[".smaller", -1], [".larger", 1]]) {
    find(name).onclick = () => resize(grid, step);
  }
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
  const painting = [data.name, data.palette.join()].join("/");
  if (painting !== grid.painting) {
    grid.painting = painting;
    grid.mosaic = paintMosaic(data);
    grid.painted.clear();
  }
  const given = data.selected.map((place) => grid.indices.get(place.join("."))).filter((index) => index >= 0);
  const theirs = data.selected.join("/") !== before?.selected.join("/");
  if (before?.name !== data.name) grid.sent = [];
  const mine = grid.sent.lastIndexOf(data.selected.join("/"));
  grid.sent.splice(0, mine + 1);
  const elsewhere = theirs && mine < 0;
  // An answer to an earlier step of a walk does not take the walker back.
  const ahead = grid.timer || grid.sent.length;
  if (!before || before.name !== data.name || !ahead || elsewhere) {
    grid.selected = given;
    grid.sent = [];
  }
  const arranged = [data.name, data.flow, data.order.join()].join("/");
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

function hover(grid, index) {
  if (index === grid.hovered) return;
  grid.hovered = index;
  soon(grid);
}

function pictureUnder(grid) {
  const { layout, scroll, canvas } = grid;
  const box = canvas.getBoundingClientRect();
  const x = grid.pointer[0] - box.left;
  const y = grid.pointer[1] - box.top;
  if (x < layout.gutter || y < layout.header || x >= box.width || y >= box.height) return -1;
  return pictureAt(layout, x + scroll.scrollLeft, y + scroll.scrollTop);
}

// The first of the indices is the head that the other panels show.
function select(grid, indices, pause = 0) {
  const opened = indices[0] !== grid.selected[0];
  grid.selected = indices;
  tell(grid);
  draw(grid);
  if (opened) tellOpened(headOf(grid.data, indices[0]));
  clearTimeout(grid.timer);
  grid.timer = setTimeout(() => {
    grid.timer = 0;
    const places = grid.selected.map((index) => [grid.data.layers[index], grid.data.heads[index]]);
    grid.sent.push(places.join("/"));
    grid.send(places);
  }, pause);
}

function headOf({ result, layers, heads, rows, columns, table }, index) {
  const bits = halfBits(table).subarray(index * rows * columns, (index + 1) * rows * columns);
  return { base: `${result}/${layers[index]}/${heads[index]}`, rows, columns, bits };
}

function toggle(grid, index) {
  const others = grid.selected.filter((one) => one !== index);
  if (others.length < grid.selected.length) {
    if (others.length) select(grid, others);
    else say(grid, "One head stays selected.");
  } else if (others.length < grid.data.colours.length) select(grid, [...others, index]);
  else say(grid, `${others.length} heads are selected, as many as there are colours; take one away first.`);
}

function walk(grid, event) {
  if (event.altKey || event.metaKey || !grid.layout.lines.length) return;
  const { layout, cursor } = grid;
  if (WALKING.includes(event.key)) {
    const page = Math.max(1, Math.floor(grid.scroll.clientHeight / layout.pitch) - 1);
    const next = steppedTo(layout, cursor, event.key, event.ctrlKey, page);
    // Ctrl with Home or End goes further; with an arrow, as Shift does, it goes without selecting.
    const only = event.shiftKey || (event.ctrlKey && event.key.startsWith("Arrow"));
    grid.cursor = next;
    reveal(grid, next);
    if (only) soon(grid);
    else if (next !== cursor || grid.selected[0] !== next) select(grid, [next], REST);
  } else if (event.key === "Enter" && cursor >= 0) select(grid, [cursor]);
  else if (event.key === " " && cursor >= 0) toggle(grid, cursor);
  else if (event.key === "+" || event.key === "-") resize(grid, event.key === "+" ? 1 : -1);
  else return;
  event.preventDefault();
}

function resize(grid, step) {
  const zoom = Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, grid.zoom + step));
  const before = grid.layout.cell;
  grid.zoom = zoom;
  arrange(grid);
  // A step that changes nothing, because a size is as small or as large as it can be, is not counted.
  if (grid.layout.cell === before) grid.zoom -= step;
  reveal(grid, grid.cursor);
  draw(grid);
}

// Bring a head into sight, no further than needed but not to the very edge.
function reveal(grid, index) {
  const { layout, scroll } = grid;
  const place = placeOf(layout, index);
  if (!place) return;
  const top = place.line * layout.pitch;
  const left = place.column * layout.cell;
  const tall = scroll.clientHeight - layout.header;
  const wide = scroll.clientWidth - layout.gutter;
  if (top < scroll.scrollTop || top + layout.pitch > scroll.scrollTop + tall) {
    scroll.scrollTop = top - (tall - layout.pitch) / 2;
  }
  if (left < scroll.scrollLeft || left + layout.cell > scroll.scrollLeft + wide) {
    scroll.scrollLeft = left - (wide - layout.cell) / 2;
  }
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
  const parts = data.words.map(([name, unit], row) => {
    const number = numbers[row * count + index];
    return `${name} ${Number.isFinite(number) ? threeDigits(number) : "none"} ${unit}`.trimEnd();
  });
  return `layer ${data.layers[index]}, head ${data.heads[index]}: ${parts.join(", ")}`;
}

// Every picture once, at its own resolution, in a square; painting lines then only scales.
function paintMosaic(data) {
  const { rows, columns } = data;
  const bits = halfBits(data.table);
  const colours = colourTable(data.palette, Math.sqrt);
  const count = data.layers.length;
  const across = Math.ceil(Math.sqrt(count));
  const mosaic = document.createElement("canvas");
  mosaic.width = across * columns;
  mosaic.height = Math.ceil(count / across) * rows;
  const image = new ImageData(mosaic.width, mosaic.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let picture = 0, from = 0; picture < count; picture++) {
    const left = (picture % across) * columns;
    const top = Math.floor(picture / across) * rows;
    for (let row = 0; row < rows; row++) {
      let to = (top + row) * mosaic.width + left;
      for (let column = 0; column < columns; column++) pixels[to++] = colours[bits[from++]];
    }
  }
  mosaic.getContext("2d").putImageData(image, 0, 0);
  return { canvas: mosaic, across };
}

// A line of heads as it is on the screen; scrolling puts lines together and paints none anew.
function lineOf(grid, line) {
  const kept = grid.painted.get(line);
  if (kept) return kept;
  const { data, layout, mosaic } = grid;
  const { cell, pitch } = layout;
  const sharp = window.devicePixelRatio || 1;
  const strip = document.createElement("canvas");
  strip.width = Math.round(layout.columns * cell * sharp);
  strip.height = Math.round(pitch * sharp);
  const context = strip.getContext("2d");
  context.scale(sharp, sharp);
  context.imageSmoothingEnabled = data.columns > cell * sharp;
  const style = getComputedStyle(grid.root);
  context.font = `11px ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { index, column } of layout.lines[line]) {
    // Zero is the page's own colour, so a hairline says where a picture ends.
    context.globalAlpha = HAIRLINE;
    context.fillRect(column * cell, 0, cell - 1, cell - 1);
    context.globalAlpha = 1;
    context.drawImage(
      mosaic.canvas, (index % mosaic.across) * data.columns, Math.floor(index / mosaic.across) * data.rows,
      data.columns, data.rows, column * cell + 1, 1, cell - EDGE, cell - EDGE,
    );
    if (layout.flow) {
      const name = `${data.layers[index]}.${data.heads[index]}`;
      context.fillText(name, (column + 0.5) * cell, cell + (pitch - cell) / 2 - 1, cell);
    }
  }
  grid.painted.set(line, strip);
  return strip;
}

function draw(grid) {
  cancelAnimationFrame(grid.frame);
  grid.frame = 0;
  const { layout, canvas, scroll } = grid;
  const { cell, pitch, gutter, header } = layout;
  const sharp = window.devicePixelRatio || 1;
  const wide = canvas.width / sharp;
  const tall = canvas.height / sharp;
  const left = scroll.scrollLeft;
  const top = scroll.scrollTop;
  const first = Math.max(0, Math.floor(top / pitch));
  const last = Math.min(layout.lines.length, Math.ceil((top + tall - header) / pitch));
  const context = canvas.getContext("2d");
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, wide, tall);
  context.save();
  context.beginPath();
  context.rect(gutter - 1, header - 1, wide, tall);
  context.clip();
  for (let line = first; line < last; line++) {
    const y = header + line * pitch - top;
    context.drawImage(lineOf(grid, line), gutter - left, y, layout.columns * cell, pitch);
  }
  outline(grid, context, left, top);
  context.restore();
  label(grid, context, first, last, left, top);
  const most = KEPT_SCREENS * (last - first + 1);
  if (grid.painted.size > most) {
    for (const line of grid.painted.keys()) if (line < first - most / 2 || line > last + most / 2) grid.painted.delete(line);
  }
}

function outline(grid, context, left, top) {
  const { layout, data, root } = grid;
  const { cell, pitch, gutter, header } = layout;
  const style = getComputedStyle(root);
  const page = style.getPropertyValue("--st-background-color") || "#fff";
  const frame = (index, colour, { dashes = [], ring = "" } = {}) => {
    const place = placeOf(layout, index);
    if (!place) return;
    const x = gutter + place.column * cell - left;
    const y = header + place.line * pitch - top;
    const thick = cell < 20 ? 2 : 3;
    if (ring) {
      // A thin line inside keeps the outline apart from pictures of its own hue.
      context.setLineDash([]);
      context.lineWidth = 1;
      context.strokeStyle = ring;
      context.strokeRect(x + thick + 0.5, y + thick + 0.5, cell - 2 * thick - 1, cell - 2 * thick - 1);
    }
    context.setLineDash(dashes);
    context.lineWidth = thick;
    context.strokeStyle = colour;
    context.strokeRect(x + thick / 2, y + thick / 2, cell - thick, cell - thick);
  };
  // The first, which the other panels show, has that line in the colour of text.
  grid.selected.forEach((index, at) => frame(index, data.colours[at], { ring: at ? page : style.color }));
  if (grid.hovered >= 0 && !grid.selected.includes(grid.hovered)) frame(grid.hovered, style.color);
  if (root.matches(":focus-visible") && grid.cursor >= 0 && grid.cursor !== grid.selected[0]) {
    frame(grid.cursor, style.color, { dashes: [4, 3] });
  }
  context.setLineDash([]);
}

// Layers at the left and heads at the top stay in sight.
function label(grid, context, first, last, left, top) {
  const { layout, root } = grid;
  if (layout.flow) return;
  const { cell, pitch, gutter, header } = layout;
  const style = getComputedStyle(root);
  const every = cell < 18 ? 4 : 1;
  context.font = `11px ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textBaseline = "middle";
  context.save();
  context.beginPath();
  context.rect(gutter, 0, grid.canvas.width, header);
  context.clip();
  context.textAlign = "center";
  for (let head = 0; head < layout.columns; head += every)
    context.fillText(head, gutter + (head + 0.5) * cell - left, header / 2);
  context.restore();
  context.save();
  context.beginPath();
  context.rect(0, header, gutter, grid.canvas.height);
  context.clip();
  context.textAlign = "right";
  for (let line = first; line < last; line++) {
    // Neighbours of other layers than the usual are named one by one where there is room.
    if (line % every === 0) context.fillText(layout.labels[line], gutter - 6, header + (line + 0.5) * pitch - top);
  }
  context.restore();
}
