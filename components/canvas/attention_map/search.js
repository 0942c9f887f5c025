// What the map leads to: a token that is searched for, and the heaviest weights, listed as a table and a file.

const MOST_HITS = 10_000;

function wireFinding(map, part) {
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
    if (await list()) download(fileOf(map), `heaviest-${map.root.dataset.head}.csv`);
  };
}

// A token is looked for as what is looked at, from itself or from where one was looking.
function lookingFrom(query, key, queries) {
  return clamp(query, Math.min(key, queries - 1), queries - 1);
}

function hitsOf(names, words) {
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
function fileOf(map) {
  const { weights, queries, keys } = map.edges;
  const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const line = (weight, index) => [
    queries[index], quoted(map.names?.queries[queries[index]] ?? ""),
    keys[index], quoted(map.names?.keys[keys[index]] ?? ""), weight,
  ].join(",");
  return ["query,query text,key,key text,weight", ...weights.map(line)].join("\r\n") + "\r\n";
}

function download(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
