// The text as the model sees it, shaded by what the hovered or pinned token looks at.

const instances = new WeakMap();
const HINT = {
  free: "Hover a token to see what it looks at; click to pin it.",
  pinned: "Hover another token to compare; Escape lets go.",
};

export default function ({ data, parentElement, setTriggerValue }) {
  let strip = instances.get(parentElement);
  if (!strip) {
    strip = build(parentElement);
    instances.set(parentElement, strip);
  }
  strip.send = (pinned) => setTriggerValue("pinned", pinned);
  strip.turn = (direction) => setTriggerValue("direction", direction);
  strip.data = data;
  strip.bits = data.table ? halfBits(data.table) : null;
  strip.pinned = data.pinned ?? null;
  strip.direction = data.direction;
  strip.show();
}

function build(parentElement) {
  const root = parentElement.querySelector(".strip");
  const holder = root.querySelector(".tokens");
  const readout = { said: root.querySelector(".said"), hint: root.querySelector(".hint") };
  const [from, to] = root.querySelectorAll("button");
  const strip = { hovered: null, pinned: null, text: null, tokens: [] };

  strip.show = () => {
    const text = JSON.stringify([strip.data.labels, strip.data.starts]);
    if (text !== strip.text) {
      strip.text = text;
      strip.hovered = null;
      strip.tokens = fill(holder, strip.data);
    }
    from.setAttribute("aria-pressed", strip.direction === "looks at");
    to.setAttribute("aria-pressed", strip.direction === "looked at by");
    shade(strip, readout);
  };
  const tokenOf = (event) => {
    const token = event.target.closest(".token");
    return token ? Number(token.dataset.index) : null;
  };
  const pin = (index) => {
    strip.pinned = index;
    strip.send(index ?? -1);
    shade(strip, readout);
  };
  const hover = (index) => {
    if (index === strip.hovered) return;
    strip.hovered = index;
    shade(strip, readout);
  };
  holder.onmouseover = (event) => hover(tokenOf(event));
  holder.onmouseleave = () => hover(null);
  holder.onclick = (event) => {
    const index = tokenOf(event);
    if (index !== null) pin(index === strip.pinned ? null : index);
  };
  holder.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") pin(null);
    else if (event.key === "Enter" && strip.hovered !== null) pin(strip.hovered);
    else if (step) {
      const last = strip.tokens.length - 1;
      hover(Math.max(0, Math.min(last, (strip.hovered ?? strip.pinned ?? (step > 0 ? -1 : 1)) + step)));
      strip.tokens[strip.hovered].scrollIntoView({ block: "nearest" });
    } else return;
    event.preventDefault();
  };
  // Letting go works from wherever the focus is, unless something else there takes the key.
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest?.("input, textarea, [role=dialog], [data-baseweb=popover]");
    if (event.key !== "Escape" || event.defaultPrevented || elsewhere) return;
    if (root.isConnected && strip.pinned !== null) pin(null);
  });
  const turn = (direction) => {
    strip.direction = direction;
    strip.turn(direction);
    strip.show();
  };
  from.onclick = () => turn("looks at");
  to.onclick = () => turn("looked at by");
  return strip;
}

function fill(holder, data) {
  const tokens = data.labels.map((label, index) => {
    const token = document.createElement("span");
    token.className = "token";
    if (data.special[index]) token.classList.add("special");
    else if (index > 0 && !data.starts[index] && !data.special[index - 1]) token.classList.add("piece");
    token.dataset.index = index;
    token.textContent = label;
    token.setAttribute("role", "option");
    return token;
  });
  const pieces = [];
  tokens.forEach((token, index) => {
    // A real space, so that lines break there and right-to-left words keep their order.
    if (index > 0 && data.starts[index]) pieces.push(" ");
    pieces.push(token);
    if (data.breaks[index]) pieces.push(document.createElement("br"));
  });
  holder.replaceChildren(...pieces);
  return tokens;
}

// The weights of one token's row or column: from the whole pattern where it is here, else as sent.
function weightsOf(strip, index) {
  const count = strip.tokens.length;
  if (strip.bits) {
    const looks = strip.direction === "looks at";
    return Float32Array.from({ length: count }, (_, other) =>
      halfValues[strip.bits[looks ? index * count + other : other * count + index]]);
  }
  if (index === strip.data.pinned && strip.data.line) return Float32Array.from(strip.data.line);
  return null;
}

function shade(strip, readout) {
  const index = strip.hovered ?? strip.pinned;
  const weights = index === null ? null : weightsOf(strip, index);
  const { palette, labels } = strip.data;
  const largest = weights ? Math.max(...weights) || 1 : 1;
  strip.tokens.forEach((token, other) => {
    token.classList.toggle("pinned", other === strip.pinned);
    token.classList.toggle("hovered", other === strip.hovered);
    token.setAttribute("aria-selected", other === strip.pinned);
    if (!weights) {
      token.style.backgroundColor = token.style.color = token.title = "";
      return;
    }
    const step = 3 * Math.round(255 * (weights[other] / largest));
    const colour = palette.slice(step, step + 3);
    token.style.backgroundColor = step === 0 ? "" : `rgb(${colour})`;
    token.style.color = step === 0 ? "" : inkOn(...colour);
    token.title = threeDigits(weights[other]);
  });
  readout.said.textContent = weights ? sentence(strip, index, weights, labels) : "";
  readout.hint.textContent = strip.hovered === null ? HINT[strip.pinned === null ? "free" : "pinned"]
    : between(strip, labels);
}

function sentence(strip, index, weights, labels) {
  const order = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 4);
  const list = order
    .filter((other) => weights[other] > 0)
    .map((other) => `${labels[other]} ${threeDigits(weights[other])}`)
    .join(",  ");
  const verb = strip.direction === "looks at" ? "looks at" : "is looked at by";
  return `${labels[index]}  (${index})  ${verb}  ${list || "nothing"}`;
}

// How much of the pinned token's weight the hovered one has.
function between(strip, labels) {
  const { pinned, hovered, direction } = strip;
  const weights = pinned === null || pinned === hovered ? null : weightsOf(strip, pinned);
  if (!weights) return "";
  const verb = direction === "looks at" ? "looks at" : "is looked at by";
  return `${labels[pinned]}  (${pinned})  ${verb} it ${threeDigits(weights[hovered])}`;
}
