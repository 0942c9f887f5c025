// What is hovered in one component is marked in all: a unit is named by its place, as query or as key.

const HOVERED = "loupe:hover";

export function tellHovered(root, places) {
  window.dispatchEvent(new CustomEvent(HOVERED, { detail: { places, root } }));
}

// A head that is chosen in one component is drawn at once in the others, from the picture that it has there;
// the page's own answer comes later.
const OPENED = "loupe:open";

export function tellOpened(head) {
  window.dispatchEvent(new CustomEvent(OPENED, { detail: head }));
}

export function whenOpened(root, open) {
  const listen = ({ detail }) => {
    if (root.isConnected) open(detail);
    else window.removeEventListener(OPENED, listen);
  };
  window.addEventListener(OPENED, listen);
}

// Calls back with { query, key }, either of which may be missing, or null where nothing is hovered.
export function whenHovered(root, mark) {
  const listen = ({ detail }) => {
    if (!root.isConnected) window.removeEventListener(HOVERED, listen);
    else if (detail.root !== root) mark(detail.places);
  };
  window.addEventListener(HOVERED, listen);
}

// Whether two places, { side, index } or null, are the same.
export function samePlace(one, other) {
  return one?.index === other?.index && one?.side === other?.side;
}
