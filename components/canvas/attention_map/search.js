// A token is searched for by its text.

import { clamp } from "../shared/plane.js";

export const MOST_HITS = 10_000;

export function wireSearch(map, part) {
  const find = part("input[type=search]");
  // Once more for another text, and once its names are there.
  map.find = () => {
    const words = find.value.trim().toLowerCase();
    map.hits = words && map.names ? hitsOf(map.names.keys, words) : [];
    map.hit = -1;
    part(".hits").textContent = words && map.names ? `${map.hits.length.toLocaleString("en")} found` : "";
  };
  find.oninput = map.find;
  find.onkeydown = (event) => {
    if (event.key !== "Enter" || !map.hits.length) return;
    event.preventDefault();
    map.hit = (map.hit + (event.shiftKey ? map.hits.length - 1 : 1)) % map.hits.length;
    const key = map.hits[map.hit];
    part(".hits").textContent = `${map.hit + 1} of ${map.hits.length.toLocaleString("en")}`;
    const { queries, keys } = map.data;
    // The number of a key says where a query stands only where a text looks at itself.
    const least = queries === keys ? key : 0;
    map.goTo(lookingFrom(map.crosshair?.query ?? least, least, queries), key);
  };
}

// A token is looked for as what is looked at, from itself or from where one was looking.
export function lookingFrom(query, key, queries) {
  return clamp(query, Math.min(key, queries - 1), queries - 1);
}

export function hitsOf(names, words) {
  const hits = [];
  // What a person types may run over several tokens.
  const joined = [];
  let length = 0;
  const starts = [];
  for (const name of names) {
    const plain = name.replaceAll("·", " ").toLowerCase();
    starts.push(length);
    joined.push(plain);
    length += plain.length;
  }
  const text = joined.join("");
  let token = 0;
  for (let at = text.indexOf(words); at >= 0 && hits.length < MOST_HITS; at = text.indexOf(words, at + 1)) {
    while (token + 1 < starts.length && starts[token + 1] <= at) token++;
    if (hits.at(-1) !== token) hits.push(token);
  }
  return hits;
}
