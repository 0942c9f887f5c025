// What the comparison says: names of rows and columns, the numbers of a cell, what each bar means.

const COMPARE_HINTS = {
  mouse: "Point at a cell for its numbers; click to choose its row, scroll to zoom, drag to move.",
  touch: "Tap a cell for its numbers and to choose its row; pinch to zoom, drag to move.",
};
const SIDES = ["first", "second"];
const TICKS_APART = 0.17;  // of a bar

// Names of an axis on both sides, as they came.
function axisOf(table) {
  const [firstLabel, firstPlace, firstThere, secondLabel, secondPlace, secondThere] =
    Array.from({ length: 6 }, (_, column) => table.getChildAt(column));
  return Array.from({ length: table.numRows }, (_, index) => ({
    labels: [firstLabel.get(index), secondLabel.get(index)],
    places: [firstPlace.get(index), secondPlace.get(index)],
    there: [Boolean(firstThere.get(index)), Boolean(secondThere.get(index))],
  }));
}

// One text where both sides have the same or only one has any, else both.
function joined([first, second]) {
  if (!first || !second || first === second) return first || second;
  return `${isolated(first)} → ${isolated(second)}`;
}

function nameOfUnit(unit) {
  const place = joined(unit.places);
  return `“${isolated(joined(unit.labels))}”${place ? ` (${place})` : ""}`;
}

function signed(value) {
  const digits = threeDigits(Math.abs(value));
  if (digits === "0") return "0";
  return `${value < 0 ? "−" : "+"}${digits}`;
}

function sideWords(value, query, key, side) {
  if (value === -Infinity) return `not attended in the ${SIDES[side]}`;
  if (!Number.isNaN(value)) return `${threeDigits(value)} ${SIDES[side]}`;
  const missing = [query, key].find(({ there }) => !there[side]);
  return missing ? `no ${nameOfUnit(missing)} in the ${SIDES[side]}` : `no number in the ${SIDES[side]}`;
}

function compareSentence(view) {
  const { cursor, cells, rows, columns, row } = view;
  if (!cursor) {
    if (row !== null) return `The row of ${nameOfUnit(rows[row])} is chosen; click it again or press Escape to let go.`;
    return matchMedia("(hover: none)").matches ? COMPARE_HINTS.touch : COMPARE_HINTS.mouse;
  }
  const [query, key] = [rows[cursor.query], columns[cursor.key]];
  const at = cursor.query * cells.columns + cursor.key;
  const numbers = [cells.first[at], cells.second[at]];
  const parts = numbers.map((value, side) => sideWords(value, query, key, side));
  const difference = differenceOf(...numbers);
  if (!Number.isNaN(difference)) parts.push(signed(difference));
  return `${nameOfUnit(query)} → ${nameOfUnit(key)}: ${parts.join(", ")}`;
}

// What stands over each panel, in bold and after it.
function titlesOf(view) {
  const { titles, mode } = view.data;
  const third = {
    difference: ["Difference", "second − first"],
    overlay: ["Overlay", "both in one"],
    flicker: [`Flicker: ${SIDES[view.shown]}`, isolated(titles[view.shown])],
  }[mode];
  return [["First", isolated(titles[0])], ["Second", isolated(titles[1])], third];
}

// What a bar shows, and its numbers with their places along it, 0 to 1.
function barOf(data, kind) {
  const scaled = data.scale === "root" ? "square-root scale" : "";
  if (kind === "difference") {
    const ticks = roundNumbers(data.difference, CURVES[data.scale], 2 * TICKS_APART);
    const negative = ticks.slice(1).reverse().map(({ value, at }) => ({ value: -value, at: -at }));
    return {
      means: [{ text: "← first has more" }, { text: scaled }, { text: "second has more →" }],
      ticks: [...negative, ...ticks].map(({ value, at }) => ({ text: signed(value), at: 0.5 + at / 2 })),
    };
  }
  const ticks = roundNumbers(data.largest, CURVES[data.scale], TICKS_APART);
  const names = kind === "overlay"
    ? [{ text: "first has more", colour: data.hues[0] }, { text: "second", colour: data.hues[1] }, { text: "both", colour: data.agreed }]
    : [{ text: "weight" }];
  return {
    means: [...names, { text: scaled }],
    ticks: ticks.map(({ value, at }) => ({ text: threeDigits(value), at })),
  };
}

// Nothing, the largest, and what is round between them, where there is room on a bar.
function roundNumbers(largest, curve, apart) {
  const found = [{ value: largest, at: 1 }];
  const decade = Math.floor(Math.log10(largest));
  for (let power = decade; power > decade - 4; power--) {
    for (const digit of [5, 2, 1]) {
      const value = Number(`${digit}e${power}`);
      const at = curve(value / largest);
      if (at <= found.at(-1).at - apart && at >= apart) found.push({ value, at });
    }
  }
  return [{ value: 0, at: 0 }, ...found.reverse()];
}
