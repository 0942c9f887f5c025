// What is hovered in one component is marked in all: a unit is named by its place, as query or as key.

const HOVERED = "loupe:hover";

function tellHovered(root, places) {
  window.dispatchEvent(new CustomEvent(HOVERED, { detail: { places, root } }));
}

// Calls back with { query, key }, either of which may be missing, or null where nothing is hovered.
function whenHovered(root, mark) {
  const listen = ({ detail }) => {
    if (!root.isConnected) window.removeEventListener(HOVERED, listen);
    else if (detail.root !== root) mark(detail.places);
  };
  window.addEventListener(HOVERED, listen);
}
