// Keeps what is typed and not yet run in this tab (sessionStorage, which nobody else reads and which ends
// with the tab), and puts it back once where the page is loaded anew, or meets a server that was started anew and
// knows of the address alone. What was run is in the address.

const PATIENCE = 15_000;  // milliseconds in which a field has to be there, once the page is at rest
let texts = {};
let session = "";
const watched = new WeakSet();

export default function ({ data, setTriggerValue }) {
  const before = texts, met = session;
  ({ texts, session } = data);
  if (watched.has(document)) {
    if (session !== met) return putAllBack();
    // Something was run since: what was typed is in the address now, or given up.
    for (const label of Object.keys(texts)) if (texts[label] !== before[label]) forget(label);
    return;
  }
  watched.add(document);
  document.addEventListener("input", note);
  askWhenBack(() => setTriggerValue("back", Date.now()));
  // Chromium sometimes does not say how a page came: a draft is rather put back than lost.
  const reloaded = (performance.getEntriesByType("navigation")[0]?.type ?? "reload") === "reload";
  if (reloaded) putAllBack();
  else for (const label of Object.keys(texts)) forget(label);
  // What was typed before anybody listened.
  for (const field of document.querySelectorAll("textarea")) {
    if (field.value !== texts[field.ariaLabel]) note({ target: field });
  }
  document.documentElement.dataset.drafts = "kept";
}

// A server that was started anew knows nothing of the page, and Streamlit asks it for nothing by itself: what is on
// screen could not be gone on with, and the first thing that is pressed would come to nothing.
function askWhenBack(ask) {
  const app = document.querySelector('[data-testid="stApp"]');
  let wasAway = false;
  const look = () => {
    const isHere = app.dataset.testConnectionState === "CONNECTED";
    if (isHere && wasAway) ask();
    wasAway = !isHere;
  };
  if (app) new MutationObserver(look).observe(app, { attributeFilter: ["data-test-connection-state"] });
}

function putAllBack() {
  for (const label of Object.keys(texts)) {
    const draft = recall(label);
    if (draft && draft.over === texts[label]) putBack(label, draft.typed, Date.now() + PATIENCE);
    else forget(label);
  }
}

function keyOf(label) {
  return `loupe draft ${location.pathname} ${label}`;
}

function note({ target }) {
  const label = target.ariaLabel;
  if (target.tagName !== "TEXTAREA" || !(label in texts)) return;
  if (target.value === texts[label]) return forget(label);
  try {
    sessionStorage.setItem(keyOf(label), JSON.stringify({ over: texts[label], typed: target.value }));
  } catch {
    forget(label);  // too long for the browser, or closed to us: nothing is better than half a text
  }
}

function recall(label) {
  try {
    return JSON.parse(sessionStorage.getItem(keyOf(label)));
  } catch {
    return null;
  }
}

function forget(label) {
  try {
    sessionStorage.removeItem(keyOf(label));
  } catch {
    // There is none where storage is closed.
  }
}

// As if it were typed, and left: the server is told, and nothing is run.
function putBack(label, typed, until) {
  const field = [...document.querySelectorAll("textarea")].find((one) => one.ariaLabel === label);
  const isBusy = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState !== "notRunning";
  if (!field || isBusy) {
    const later = isBusy ? Date.now() + PATIENCE : until;
    if (Date.now() < later) setTimeout(putBack, 100, label, typed, later);
    return;
  }
  // Somebody who typed meanwhile means that.
  if (field.value !== texts[label]) return;
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, typed);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
}
