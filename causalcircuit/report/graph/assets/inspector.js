// What is known of the pinned nodes, and of the circuit where none is; and the box at the pointer.

// Everything is set as text, so that no name can become markup.
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((c) => c !== null && c !== ""));
  return made;
}

const LONGEST = 40;
const inkOf = (e) => `number ${signOf(e.value)}-ink`;
const evidence = (e) => [intervalText(e), e.n ? `${e.n} rows` : "", e.selected !== null && e.selected !== undefined ? `chosen in ${Math.round(100 * e.selected)}% of resamples` : "",
  e.many > 1 ? `sum of ${e.many} edges` : ""].filter(Boolean).join(", ");
const more = (e) => [e.port && `into ${e.port}`, evidence(e)].filter(Boolean).join("; ");

function inspect() {
  const ids = [...state.pins];
  const box = $("inspector");
  if (!ids.length) box.replaceChildren(...overview());
  else if (ids.length === 1) box.replaceChildren(...aboutNode(ids[0]));
  else box.replaceChildren(...aboutSeveral(ids));
}

function overview() {
  const parts = [el("h2", {}, "How far to trust it")];
  if (DATA.trust.length) {
    parts.push(el("table", {}, ...DATA.trust.map(([name, value, meaning]) => el("tr", {},
      el("td", {}, el("b", {}, name), el("br"), el("span", { class: "soft" }, meaning)), el("td", { class: "number" }, typeset(value))))));
  } else if (!DATA.measured) parts.push(el("p", { class: "soft" }, "Not measured."));
  for (const note of DATA.notes) parts.push(el("p", { class: "soft" }, note));
  const strongest = now.edges.slice(0, 8);
  if (strongest.length) parts.push(el("h3", {}, SCORED ? "Strongest edges" : "Edges"), listOf(strongest, (e) => `${titleOf(e.s)} → ${titleOf(e.t)}`, (e) => e.s));
  if (BY_NODES) parts.push(el("h3", {}, "Strongest nodes"), nodeScores());
  if (state.groups.length) parts.push(el("h3", {}, "Groups"), ...state.groups.map(groupLine));
  const tokens = DATA.towers.filter((t) => t.tokens.length && !t.image);
  for (const t of tokens) parts.push(el("h3", {}, `A typical row${DATA.towers.length > 1 ? `, ${t.title}` : ""}`), el("p", { class: "soft" }, t.tokens.join(" ")));
  return parts;
}

function nodeScores() {
  const list = now.ids.filter((id) => NODES[id]?.score).map((id) => ({ id, ...scoreOf(NODES[id]), many: 1 }));
  list.sort((a, b) => Math.abs(b.value ?? 0) - Math.abs(a.value ?? 0));
  return listOf(list.slice(0, LONGEST), (n) => titleOf(n.id), (n) => n.id);
}

function listOf(edges, title, goal) {
  const strongest = STRONGEST || 1;
  return el("ul", {}, ...edges.map((e) => {
    const bar = el("span", { class: `bar ${signOf(e.value)}` });
    bar.style.width = `${Math.max(1, Math.min(100, (100 * Math.abs(e.value ?? 0)) / strongest))}%`;
    return el("li", {}, el("button", { type: "button", onclick: () => goTo(goal(e)), title: more(e) },
      el("span", {}, title(e), e.port ? el("span", { class: "soft" }, ` ${e.port}`) : ""),
      el("span", { class: inkOf(e) }, SCORED ? valueText(e) : "", " ", el("span", { class: "soft" }, intervalText(e))), e.value === null ? "" : bar));
  }));
}

function aboutNode(id) {
  const n = nodeOf(id);
  const parts = [el("h2", {}, titleOf(id)), el("p", {}, n.full), ...n.sites.slice(0, 6).map((s) => el("p", { class: "soft" }, s))];
  if (n.score) { const s = scoreOf(n); parts.push(el("p", {}, "its own score ", el("b", { class: inkOf(s) }, valueText(s)), ` ${evidence({ ...s, many: 1 })}`)); }
  if (id !== READOUT) parts.push(naming("Name", labelOf(id), (said) => rename(id, said)));
  const group = state.groups.findIndex((g) => g.members.has(id) || (isGroup(id) && groupId(state.groups.indexOf(g)) === id));
  if (group >= 0) parts.push(groupLine(state.groups[group]));
  parts.push(el("p", { class: "soft" }, "Shift + click pins one more node; several pinned nodes can become a group."));
  for (const [title, edges, end] of [["In", now.into.get(id), "s"], ["Out", now.out.get(id), "t"]]) {
    if (!edges?.length) continue;
    parts.push(el("h3", {}, `${title}: ${counted(edges.length, "edge")}`), listOf(edges.slice(0, LONGEST), (e) => titleOf(e[end]), (e) => e[end]));
    if (edges.length > LONGEST) parts.push(el("p", { class: "soft" }, `and ${edges.length - LONGEST} weaker ones: see the table`));
  }
  return parts;
}

function aboutSeveral(ids) {
  const free = ids.filter((id) => id < READOUT);
  const parts = [el("h2", {}, `${ids.length} nodes pinned`), el("ul", {}, ...ids.map((id) => el("li", {}, titleOf(id))))];
  if (free.length > 1) parts.push(naming("Group them as", `group ${state.groups.length + 1}`, (said) => makeGroup(said, free), "Group"));
  const inside = now.edges.filter((e) => state.pins.has(e.s) && state.pins.has(e.t));
  if (inside.length) parts.push(el("h3", {}, "Between them"), listOf(inside.slice(0, LONGEST), (e) => `${titleOf(e.s)} → ${titleOf(e.t)}`, (e) => e.s));
  return parts;
}

function naming(label, value, done, verb = "Rename") {
  const input = el("input", { value, maxlength: 80, "aria-label": label });
  return el("form", { onsubmit: (event) => { event.preventDefault(); done(input.value.trim()); } }, input, el("button", {}, verb));
}

function groupLine(g) {
  const k = state.groups.indexOf(g);
  const toggle = () => { g.open = !g.open; state.pins.clear(); regroup(); say(`group ${g.name} ${g.open ? "opened" : "closed"}`); };
  const dissolve = () => { state.groups.splice(k, 1); for (const id of [...state.names.keys()]) if (isGroup(id)) state.names.delete(id); state.pins.clear(); regroup(); };
  return el("p", {}, `${state.names.get(groupId(k)) ?? g.name}, ${counted(g.members.size, "node")} `, el("button", { type: "button", onclick: toggle }, g.open ? "Close" : "Open"), " ",
    el("button", { type: "button", onclick: dissolve }, "Dissolve"));
}

function makeGroup(name, ids) {
  const said = name || `group ${state.groups.length + 1}`;
  for (const g of state.groups) for (const id of ids) g.members.delete(id);
  state.groups = state.groups.filter((g) => g.members.size);
  for (const id of [...state.names.keys()]) if (isGroup(id)) state.names.delete(id);
  state.groups.push({ name: said, members: new Set(ids), open: false });
  state.pins = new Set([groupId(state.groups.length - 1)]);
  regroup();
  say(`group ${said} of ${ids.length} nodes made`);
}
function regroup() {
  made.clear();
  arrange();
  look();
  request("layout");
  inspect();
  if (state.table) showTable();
}
function rename(id, said) {
  if (isGroup(id) && said) state.groups[id - READOUT - 1].name = said;
  else if (!said || said === nodeOf(id).label) state.names.delete(id);
  else state.names.set(id, said);
  request("layout");
  inspect();
  if (state.table) showTable();
}

// The node that a line of the inspector or of the table leads to.
function goTo(id) {
  if (state.table) showView(false);
  state.pins = new Set([id]);
  cursor = id;
  pinned();
  requestAnimationFrame(() => {
    const box = scene?.boxes.get(id);
    if (box) scroll.scrollTo({ top: box.y * zoom - scroll.clientHeight / 2, left: box.x * zoom - scroll.clientWidth / 2 });
  });
  say(`${titleOf(id)} pinned`);
}

const tip = $("tip");
function showTip(x, y) {
  const { node, edge } = state.hover ?? {};
  if (node === undefined && edge === undefined) { hideTip(); return; }
  const line = (title, e) => el("tr", {}, el("td", {}, title), el("td", { class: inkOf(e) }, valueText(e)), el("td", { class: "soft" }, intervalText(e)));
  if (edge) {
    tip.replaceChildren(el("b", {}, `${titleOf(edge.s)} → ${titleOf(edge.t)}`), el("span", { class: inkOf(edge) }, valueText(edge) + (edge.value === null ? "" : unit)),
      el("span", { class: "soft" }, ` ${more(edge)}`));
  } else {
    const [into, out] = [now.into.get(node) ?? [], now.out.get(node) ?? []];
    const rows = [...into.slice(0, 4).map((e) => line(`from ${titleOf(e.s)}${e.port ? ` (${e.port})` : ""}`, e)), ...out.slice(0, 4).map((e) => line(`to ${titleOf(e.t)}${e.port ? ` (${e.port})` : ""}`, e))];
    const rest = into.length + out.length - rows.length;
    const n = nodeOf(node);
    tip.replaceChildren(el("b", {}, titleOf(node)), ...(n.score ? [el("span", { class: inkOf(scoreOf(n)) }, valueText(scoreOf(n)), ` ${intervalText(scoreOf(n))}`)] : []), el("table", {}, ...rows), rest > 0 ? el("span", { class: "soft" }, `and ${counted(rest, "edge")} more`) : "");
  }
  tip.hidden = false;
  const [w, h] = [tip.offsetWidth, tip.offsetHeight];
  tip.style.left = `${Math.max(4, Math.min(innerWidth - w - 4, x + 16))}px`;
  tip.style.top = `${y + 18 + h > innerHeight ? Math.max(4, y - h - 12) : y + 18}px`;
}
function hideTip() { tip.hidden = true; }
