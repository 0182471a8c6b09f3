// The keyboard and the pointer.

const nextUp = new Map(); // how often Shift has asked for another edge at a node

function walk(id, up, other) {
  const edges = (up ? now.out : now.into).get(id) ?? [];
  if (!edges.length) { say(up ? "no edge leads out" : "no edge leads in"); return; }
  const key = `${id} ${up}`;
  const at = other ? ((nextUp.get(key) ?? 0) + 1) % edges.length : 0;
  nextUp.set(key, at);
  const e = edges[at];
  visit(up ? e.t : e.s, `${valueText(e)} ${more(e)}: `);
}

function along_row(id, step) {
  const here = scene.boxes.get(id);
  const row = now.ids.filter((i) => Math.abs(scene.boxes.get(i).y - here.y) < 3).sort((a, b) => scene.boxes.get(a).x - scene.boxes.get(b).x);
  const next = row[row.indexOf(id) + step];
  if (next !== undefined) visit(next);
}

function visit(id, before = "") {
  cursor = id;
  for (const [other, button] of made) button.tabIndex = other === id ? 0 : -1;
  made.get(id)?.focus();
  say(before + (made.get(id)?.ariaLabel ?? ""));
}

function letGo() {
  const had = state.pins.size || state.query;
  state.pins.clear();
  state.hover = null;
  $("search").value = "";
  search("");
  hideTip();
  pinned();
  request("over");
  if (had) say("nothing pinned");
}

function search(text) {
  state.query = text.trim().toLowerCase();
  const words = state.query.split(/\s+/).filter(Boolean);
  const hay = (id) => [labelOf(id), titleOf(id), nodeOf(id).full, nodeOf(id).key, ...nodeOf(id).sites].join(" ").toLowerCase();
  state.matches = new Set(words.length ? now.ids.filter((id) => { const h = hay(id); return words.every((w) => h.includes(w)); }) : []);
  const said = words.length ? counted(state.matches.size, "match", "matches") : "";
  $("found").textContent = words.length ? String(state.matches.size) : "";
  if (said) say(said);
  request("base");
}

const typing = (target) => target.matches?.("input, textarea, select");

function listen() {
  holder.addEventListener("pointerover", (event) => {
    const id = event.target.dataset?.id;
    if (id !== undefined) { hoverOn({ node: Number(id) }); showTip(event.clientX, event.clientY); }
  });
  holder.addEventListener("focusin", (event) => {
    const id = Number(event.target.dataset.id);
    cursor = id;
    hoverOn({ node: id });
    const box = event.target.getBoundingClientRect();
    showTip(box.right - 12, box.bottom - 12);
  });
  holder.addEventListener("focusout", () => { hoverOn(null); hideTip(); });
  holder.addEventListener("click", (event) => {
    const id = event.target.dataset?.id;
    if (id !== undefined) pin(Number(id), event.shiftKey || event.ctrlKey || event.metaKey);
  });
  let moved = null;
  stage.addEventListener("pointermove", (event) => {
    const first = moved === null;
    moved = event;
    if (first) requestAnimationFrame(() => { const at = moved; moved = null; pointAt(at); });
  });
  stage.addEventListener("pointerleave", () => { hoverOn(null); hideTip(); });
  stage.addEventListener("click", (event) => { if (!event.target.dataset.id && !state.hover?.edge && state.pins.size) letGo(); });
  holder.addEventListener("keydown", nodeKeys);
  document.addEventListener("keydown", pageKeys);
}

function pointAt(event) {
  if (!scene || state.table) return;
  if (event.target.dataset?.id !== undefined) { showTip(event.clientX, event.clientY); return; }
  const box = stage.getBoundingClientRect();
  const edge = edgeAt((event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom);
  hoverOn(edge ? { edge } : null);
  if (edge) showTip(event.clientX, event.clientY); else hideTip();
}

function nodeKeys(event) {
  const id = Number(event.target.dataset.id);
  const go = {
    ArrowUp: () => walk(id, true, event.shiftKey), ArrowDown: () => walk(id, false, event.shiftKey),
    ArrowLeft: () => along_row(id, -1), ArrowRight: () => along_row(id, 1),
    Enter: () => pin(id, event.shiftKey), " ": () => pin(id, event.shiftKey),
  }[event.key];
  if (!go) return;
  event.preventDefault();
  go();
}

function pageKeys(event) {
  if (event.key === "Escape" && !$("keys").open) { letGo(); if (typing(event.target)) event.target.blur(); return; }
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  const factor = Math.max(1, Math.round(state.size * 0.25));
  const go = {
    "/": () => $("search").focus(), p: () => $("paths").click(), t: () => $("view").click(), "?": () => $("keys").showModal(),
    "+": () => resizeTo(state.size + factor, true), "-": () => resizeTo(state.size - factor, true),
  }[event.key];
  if (!go) return;
  event.preventDefault();
  go();
}
