// All heads at a glance; outlines are the selected ones, in the colours that their lines have elsewhere.

import { arrange, draw } from "./drawing.js";
import { reveal, wireGrid } from "./interaction.js";
import { tell } from "./labels.js";
import { paintGround, paintMosaic } from "./pictures.js";

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
  const painting = [data.name, data.picture?.name, data.signed, data.palette.join()].join("/");
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
