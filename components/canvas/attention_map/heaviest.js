// The heaviest weights: gone to one by one, listed as a table and as a file.

import { threeDigits } from "../shared/paint.js";
import { fetchJson } from "../shared/tile_store.js";
import { unitName } from "./labels.js";

export function wireHeaviest(map, part) {
  const sink = part("input[type=checkbox]");
  const table = part("details");
  const list = async () => {
    if (map.edges) return true;
    const { base } = map.store;
    const offSink = sink.checked;
    map.waiting = "Looking for the heaviest weights …";
    map.say();
    try {
      const edges = await fetchJson(`${base}/edges?off_sink=${offSink ? 1 : 0}`);
      if (base !== map.store.base || offSink !== sink.checked) return false;
      map.edges = edges;
    } catch (error) {
      map.complain(error.message);
      return false;
    } finally {
      map.waiting = "";
      map.say();
    }
    listEdges(map, part("tbody"));
    return true;
  };
  // Another head has other weights; an open table follows.
  map.forgetEdges = () => {
    map.edges = null;
    map.edge = -1;
    part("tbody").replaceChildren();
    if (table.open) list();
  };
  sink.onchange = map.forgetEdges;
  table.ontoggle = () => { if (table.open) list(); };
  part(".edge").onclick = async () => {
    if (!(await list()) || !map.edges.weights.length) return;
    map.edge = (map.edge + 1) % map.edges.weights.length;
    map.goTo(map.edges.queries[map.edge], map.edges.keys[map.edge]);
  };
  part(".file").onclick = async () => {
    if (await list()) download(csvOf(map.edges, map.names, map.data.label), `heaviest-${map.root.dataset.head}.csv`);
  };
}

function listEdges(map, body) {
  const { weights, queries, keys } = map.edges;
  body.replaceChildren(...weights.map((weight, index) => {
    const row = document.createElement("tr");
    const words = [unitName(map, "queries", queries[index]), unitName(map, "keys", keys[index]), threeDigits(weight)];
    for (const text of words) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Show";
    button.setAttribute("aria-label", `Show ${words[0]} to ${words[1]}`);
    button.onclick = () => map.goTo(queries[index], keys[index]);
    const cell = document.createElement("td");
    cell.append(button);
    row.append(cell);
    return row;
  }));
}

// The heaviest weights as CSV (RFC 4180).
export function csvOf({ weights, queries, keys }, names, label = "weight") {
  const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const line = (weight, index) => [
    queries[index], quoted(names?.queries[queries[index]] ?? ""),
    keys[index], quoted(names?.keys[keys[index]] ?? ""), weight,
  ].join(",");
  return [`query,query text,key,key text,${label}`, ...weights.map(line)].join("\r\n") + "\r\n";
}

function download(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
