// The grid under a hand: heads are pointed at, chosen, added and walked through; pictures made larger.

import { tellOpened } from "../shared/linked.js";
import { arrange, draw, soon } from "./drawing.js";
import { say, tell } from "./labels.js";
import { isInSight, pictureAt, placeOf, steppedTo } from "./layout.js";
import { headOf, toggled } from "./selection.js";

const REST = 60;  // milliseconds; walking with the arrow keys sends only where it comes to rest
const LEAST_ZOOM = -2;
const MOST_ZOOM = 5;
const WALKING = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"];

export function wireGrid(grid, { smaller, larger }) {
  const { root, canvas, scroll } = grid;
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
  smaller.onclick = () => resize(grid, -1);
  larger.onclick = () => resize(grid, 1);
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

function toggle(grid, index) {
  const { selected, refused } = toggled(grid.selected, index, grid.data.colours.length);
  if (refused) say(grid, refused);
  else select(grid, selected);
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
export function reveal(grid, index) {
  const { layout, scroll } = grid;
  const place = placeOf(layout, index);
  if (!place) return;
  const top = place.line * layout.pitch;
  const left = place.column * layout.cell;
  const tall = scroll.clientHeight - layout.header;
  const wide = scroll.clientWidth - layout.gutter;
  if (!isInSight(top, layout.pitch, scroll.scrollTop, tall)) scroll.scrollTop = top - (tall - layout.pitch) / 2;
  if (!isInSight(left, layout.cell, scroll.scrollLeft, wide)) scroll.scrollLeft = left - (wide - layout.cell) / 2;
}
