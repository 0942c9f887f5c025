// Which heads are selected, and what is told of one to the other components.

import { halfBits } from "../shared/paint.js";

// What is selected after a head was added or taken away, or why nothing changes.
export function toggled(selected, index, most) {
  const others = selected.filter((one) => one !== index);
  if (others.length < selected.length) {
    return others.length ? { selected: others } : { refused: "One head stays selected." };
  }
  if (others.length < most) return { selected: [...others, index] };
  return { refused: `${others.length} heads are selected, as many as there are colours; take one away first.` };
}

// Where what belongs to a head is fetched, and its picture until that has come.
export function headOf({ result, layers, heads, rows, columns, table }, index) {
  const bits = halfBits(table).subarray(index * rows * columns, (index + 1) * rows * columns);
  return { base: `${result}/${layers[index]}/${heads[index]}`, rows, columns, bits };
}
