// Half characters (lone surrogates) cannot travel as UTF-8, and the page would drop what holds one
// without a word. They travel as a character that no text has, which the server then refuses by name.

import { mended } from "./half_characters.js";

const watched = new WeakSet();

export default function () {
  if (watched.has(document)) return;
  watched.add(document);
  document.addEventListener("input", mend, true);
}

function mend({ target }) {
  if (!/^(TEXTAREA|INPUT)$/.test(target.tagName) || target.value.isWellFormed?.() !== false) return;
  // The prototype's setter, because the page's framework watches the element's own.
  const { set } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(target), "value");
  set.call(target, mended(target.value));
}
