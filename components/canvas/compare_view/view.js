// Two patterns and how they differ, in three panels with one cursor, one zoom and one chosen row.

import { drawMarks, drawPanel, planeOf } from "./drawing.js";
import { play, wireKeys, wirePointer, wireTools, zoomTogether } from "./interaction.js";
import { axisOf, sentence, SIDES, titlesOf } from "./labels.js";
import { paintBar, paintPictures } from "./pictures.js";
import { barOf } from "./scale.js";

const STACKED_BELOW = 620;
const HEARD = 1500;  // milliseconds within which the page answers to what was chosen
const comparisons = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let view = comparisons.get(parentElement);
  if (!view) {
    view = build(parentElement);
    comparisons.set(parentElement, view);
  }
  view.send = (row) => setTriggerValue("row", row ?? -1);
  view.sendSpan = (span) => setTriggerValue("span", span);
  view.take(data);
  view.observer.observe(view.root);
  return () => {
    view.observer.disconnect();
    clearInterval(view.flicker);
  };
}

function build(parentElement) {
  const root = parentElement.querySelector(".compare");
  const part = (name) => root.querySelector(name);
  const panels = [...root.querySelectorAll("figure")].map((figure, index) => {
    const [canvas, over, bar] = figure.querySelectorAll("canvas");
    const [name, title] = figure.querySelector("figcaption").children;
    return {
      index, canvas, over, bar, name, title,
      means: figure.querySelector(".means"), ticks: figure.querySelector(".ticks"),
    };
  });
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const view = {
    root, part, panels, holder: part(".panels"), data: null, plane: null, pictures: null, cursor: null,
    row: null, sent: [], shown: 0, playing: !still.matches,
  };

  view.take = (data) => {
    const before = view.data;
    const fresh = before?.units !== data.units;
    view.data = data;
    if (fresh || before.values !== data.values) view.cells = cellsOf(data);
    if (fresh) {
      [view.rows, view.columns] = [axisOf(data.rows), axisOf(data.columns)];
      view.plane = view.cursor = null;
    }
    // What was chosen here comes back, when something else may be chosen already; the rest is the page's word.
    const echo = view.sent.indexOf(data.row);
    view.sent.splice(0, echo + 1);
    const said = fresh || (echo < 0 && before.row !== data.row);
    if (said) view.row = data.row;
    readLegend(view);
    paintPictures(view);
    fillBars(view);
    if (fresh || before.mode !== data.mode) {
      view.shown = 0;
      part(".flicker").hidden = data.mode !== "flicker";
    }
    part(".closer").hidden = !data.coarse;
    part(".entire").hidden = !data.part;
    play(view, view.playing);
    view.layOut();
    if (said && view.row !== null) view.reveal({ query: view.row });
    view.redraw();
    view.say();
  };

  // As large as there is room for; what was seen stays seen.
  view.layOut = () => {
    const width = root.clientWidth;
    if (!width || !view.rows.length || !view.columns.length) return;
    root.classList.toggle("stacked", width < STACKED_BELOW);
    const wide = panels[0].canvas.parentElement.clientWidth;
    const sharp = window.devicePixelRatio || 1;
    view.style = getComputedStyle(root);
    view.page = `rgb(${view.data.palette.slice(0, 3)})`;
    if (view.plane && view.wide === wide && view.sharp === sharp) return;
    const seen = view.plane?.zoom.k > 1 ? view.plane.seen : null;
    Object.assign(view, { wide, sharp, plane: planeOf(view, wide) });
    const { margin, height } = view.plane;
    const tall = Math.ceil(margin.top + height + margin.bottom);
    for (const { canvas, over } of panels) {
      for (const one of [canvas, over]) {
        one.width = Math.round(wide * sharp);
        one.height = Math.round(tall * sharp);
        one.style.height = `${tall}px`;
      }
    }
    view.behaviour = zoomTogether(view);
    view.seeSpan(seen ? [...seen.rows, ...seen.columns] : null);
  };

  view.seeSpan = (span) => {
    const { plane } = view;
    const { k, x, y } = plane.zoomTo(span ?? [0, plane.queries, 0, plane.keys]);
    d3.select(panels[0].over).call(view.behaviour.transform, d3.zoomIdentity.translate(x, y).scale(k));
  };
  view.showAll = () => view.plane && view.seeSpan(null);

  // About the cell that is pointed at, where it is in sight.
  view.zoomBy = (factor) => {
    const { plane, cursor, behaviour } = view;
    if (!plane) return;
    const point = cursor && [plane.left(cursor.key + 0.5), plane.top(cursor.query + 0.5)];
    d3.select(panels[0].over).call(behaviour.scaleBy, factor, point && plane.inside(...point) ? point : undefined);
  };

  // Move what is seen as little as brings a row, or a cell, into sight.
  view.reveal = (place) => {
    const { plane } = view;
    if (!plane || plane.zoom.k <= 1) return;
    const { down, right } = plane.outOfSight(place);
    if (!down && !right) return;
    const { k } = plane.zoom;
    d3.select(panels[0].over).call(view.behaviour.translateBy, right / k, down / k);
  };

  view.pointAt = (place) => {
    if (place?.query === view.cursor?.query && place?.key === view.cursor?.key) return;
    view.cursor = place;
    view.redrawMarks();
    view.say();
  };

  view.choose = (row) => {
    view.row = row === view.row ? null : row;
    view.sent.push(view.row);
    view.send(view.row);
    // What is sent while Streamlit draws the page anew may be lost; said again, it is the same.
    clearTimeout(view.reminder);
    view.reminder = setTimeout(() => {
      if (view.sent.length && root.isConnected) view.send(view.row);
    }, HEARD);
    view.redrawMarks();
    view.say();
  };

  view.show = (side) => {
    view.shown = side;
    nameShown(view);
    if (view.plane) drawPanel(view, panels[2]);
  };

  view.redraw = () => {
    if (view.frame || !view.plane) return;
    view.frame = requestAnimationFrame(() => {
      view.frame = 0;
      nameShown(view);
      for (const panel of panels) drawPanel(view, panel);
      view.drawAllMarks();
      const { seen, margin, width, height } = view.plane;
      nameCloser(view);
      root.dataset.seen = [...seen.rows, ...seen.columns].join(" ");
      root.dataset.box = [margin.left, margin.top, width, height].join(" ");
    });
  };
  view.redrawMarks = () => {
    if (view.marksFrame || !view.plane) return;
    view.marksFrame = requestAnimationFrame(() => {
      view.marksFrame = 0;
      view.drawAllMarks();
    });
  };
  view.drawAllMarks = () => {
    for (const panel of panels) drawMarks(view, panel);
    root.dataset.row = view.row ?? "";
    root.dataset.cursor = view.cursor ? `${view.cursor.query} ${view.cursor.key}` : "";
  };

  view.say = () => {
    const words = sentence(view);
    if (part(".said").textContent !== words) part(".said").textContent = words;
  };

  wirePointer(view);
  wireKeys(view);
  wireTools(view);
  view.observer = new ResizeObserver(() => {
    if (!view.data) return;
    view.layOut();
    view.redraw();
  });
  return view;
}

function cellsOf(data) {
  const [first, second] = [0, 1].map((side) => data.cells.getChildAt(side).toArray());
  return { first, second, rows: data.rows.numRows, columns: data.columns.numRows };
}

function nameShown(view) {
  titlesOf(view).forEach(([name, title], index) => {
    const panel = view.panels[index];
    if (panel.name.textContent !== name) panel.name.textContent = name;
    if (panel.title.textContent !== title) panel.title.textContent = panel.title.title = title;
  });
  view.root.dataset.shown = view.data.mode === "flicker" ? SIDES[view.shown] : view.data.mode;
}

// At the whole one looks already.
function nameCloser(view) {
  const closer = view.part(".closer");
  closer.disabled = view.plane.zoom.k <= 1;
  closer.title = closer.disabled ? "Zoom in first" : "Draw what is in sight unit by unit";
}

// What is explained is what there is.
function readLegend(view) {
  const { first, second } = view.cells;
  view.holes = [first, second].some((side) => side.some(Number.isNaN));
  view.part(".partner").hidden = !view.holes;
  for (const noun of view.root.querySelectorAll(".noun")) noun.textContent = view.data.noun ?? "text";
  view.part(".never").hidden = ![first, second].some((side) => side.includes(-Infinity));
  const style = view.part(".legend").style;
  style.setProperty("--never", `rgb(${view.data.never})`);
  style.setProperty("--page", `rgb(${view.data.palette.slice(0, 3)})`);
}

function fillBars(view) {
  const kinds = ["weight", "weight", view.data.mode === "flicker" ? "weight" : view.data.mode];
  view.panels.forEach(({ bar, means, ticks }, index) => {
    const told = barOf(view.data, kinds[index]);
    paintBar(bar, view.data, kinds[index]);
    means.replaceChildren(...told.means.map(({ text, colour }) => {
      const words = worded(text);
      if (!colour) return words;
      const swatch = document.createElement("i");
      swatch.style.backgroundColor = `rgb(${colour})`;
      words.prepend(swatch);
      return words;
    }));
    ticks.replaceChildren(...told.ticks.map(({ text, at }) => {
      const tick = worded(text);
      tick.style.insetInlineStart = `${100 * at}%`;
      tick.classList.toggle("start", at === 0);
      tick.classList.toggle("end", at === 1);
      return tick;
    }));
  });
}

function worded(text) {
  const shown = document.createElement("span");
  shown.textContent = text;
  return shown;
}
