// The text as the model sees it, shaded by what the hovered or pinned token looks at. Where one text
// looks at another, both stand here: the queries above, the keys below.

import { samePlace, tellHovered, whenHovered } from "../shared/linked.js";
import { fetchJson } from "../shared/tile_store.js";
import { dress, shade } from "./shading.js";
import { TokenText } from "./text.js";
import { roleOf } from "./weights.js";

const instances = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let strip = instances.get(parentElement);
  if (!strip) {
    strip = build(parentElement);
    instances.set(parentElement, strip);
  }
  strip.send = (pinned) => setTriggerValue("pinned", pinned);
  strip.turn = (direction) => setTriggerValue("direction", direction);
  strip.data = data;
  strip.pattern = data.table ? data.table.getChildAt(0).toArray() : null;
  strip.pinned = data.pinned === null ? null : { side: "query", index: data.pinned };
  strip.direction = data.two ? "looks at" : data.direction;
  strip.show();
  document.addEventListener("keydown", strip.letGo);
  return () => {
    document.removeEventListener("keydown", strip.letGo);
    clearTimeout(strip.asking);
  };
}

function build(parentElement) {
  const root = parentElement.querySelector(".strip");
  const holders = { query: root.querySelector(".queries"), key: root.querySelector(".keys") };
  const switcher = root.querySelector("[role=group]");
  const readout = { said: root.querySelector(".said"), hint: root.querySelector(".hint") };
  const [from, to] = root.querySelectorAll("button");
  const strip = { linked: [], rows: new Map(), hovered: null, pinned: null, text: null, tokens: {}, weights: {} };

  strip.show = () => {
    const { data } = strip;
    if (data.base !== strip.base) strip.rows.clear();
    strip.base = data.base;
    const text = data.units ?? JSON.stringify(data.texts);
    if (text !== strip.text) {
      strip.text = text;
      if (data.units) fetchTexts(strip, data.units, holders);
      else strip.lay(data.texts);
    }
    root.classList.toggle("two", data.two);
    holders.key.hidden = !data.two;
    switcher.hidden = data.two;
    from.setAttribute("aria-pressed", strip.direction === "looks at");
    to.setAttribute("aria-pressed", strip.direction === "looked at by");
    strip.shade();
  };
  strip.lay = (texts) => {
    for (const text of Object.values(strip.tokens)) text.leave();
    Object.assign(strip, { texts, hovered: null, touched: null, linked: [], tokens: {}, weights: {} });
    holders.key.replaceChildren();
    const laid = (side, text) => new TokenText(holders[side], text, (token, index) => dress(strip, side, index, token));
    strip.tokens.query = laid("query", texts.queries);
    strip.tokens.key = strip.data.two ? laid("key", texts.keys) : strip.tokens.query;
    strip.shade();
  };
  const pin = (place) => {
    strip.pinned = place;
    strip.send(place?.index ?? -1);
    strip.shade();
  };
  strip.shade = () => { if (strip.texts) shade(strip, readout); };
  const hover = (place) => {
    if (samePlace(place, strip.hovered)) return;
    strip.hovered = place;
    strip.shade();
    tellHovered(root, place && { [roleOf(strip, place)]: place.index });
  };
  whenHovered(root, (places) => {
    for (const token of strip.linked) token.classList.remove("linked");
    strip.linked = ["query", "key"]
      .map((side) => strip.tokens[side]?.at(places?.[side] ?? -1))
      .filter(Boolean);
    for (const token of strip.linked) token.classList.add("linked");
  });
  for (const [side, holder] of Object.entries(holders)) {
    const placeOf = (event) => {
      const token = event.target.closest(".token");
      return token ? { side, index: Number(token.dataset.index) } : null;
    };
    holder.onmouseover = (event) => hover(placeOf(event));
    holder.onmouseleave = () => hover(null);
    holder.onclick = (event) => {
      const place = placeOf(event);
      if (place && side === "query") pin(samePlace(place, strip.pinned) ? null : place);
    };
    holder.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") pin(null);
      else if (event.key === "Enter" && strip.hovered?.side === "query") pin(strip.hovered);
      else if (step) {
        const tokens = strip.tokens[side];
        const here = strip.hovered ?? strip.pinned;
        const start = here?.side === side ? here.index : step > 0 ? -1 : 1;
        const index = Math.max(0, Math.min(tokens.length - 1, start + step));
        hover({ side, index });
        tokens.made(index).scrollIntoView({ block: "nearest" });
      } else return;
      event.preventDefault();
    };
  }
  // Letting go works from wherever the focus is, unless something else there takes the key.
  strip.letGo = (event) => {
    const elsewhere = event.target.closest?.("input, textarea, [role=dialog], [data-baseweb=popover]");
    if (event.key !== "Escape" || event.defaultPrevented || elsewhere) return;
    if (strip.pinned !== null) pin(null);
  };
  const turn = (direction) => {
    strip.direction = direction;
    strip.turn(direction);
    strip.show();
  };
  from.onclick = () => turn("looks at");
  to.onclick = () => turn("looked at by");
  return strip;
}

// The tokens of a long text are fetched once, and stay in the browser's own cache.
async function fetchTexts(strip, path, holders) {
  strip.texts = null;
  for (const holder of Object.values(holders)) holder.replaceChildren();
  try {
    const texts = await fetchJson(new URL(path, document.baseURI).href);
    if (path === strip.data.units) strip.lay(texts);
  } catch (error) {
    if (path === strip.data.units) holders.query.textContent = error.message;
  }
}
