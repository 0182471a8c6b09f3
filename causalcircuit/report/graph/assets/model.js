// What there is to draw: the circuit, and how the page looks at it.

const $ = (id) => document.getElementById(id);
const DATA = JSON.parse($("data").textContent);
const READOUT = DATA.nodes.length; // the readout and the groups come after the nodes
const SUGGESTED = 200; // edges that a first look bears

const asNode = (n, id) => ({ ...n, id, key: n.id });
const NODES = DATA.nodes.map(asNode);
NODES.push(asNode({
  id: "readout", label: "readout", full: `the readout, ${DATA.readout}`, kind: "readout", tower: -1, row: 0,
  layer: null, col: -1, sites: [DATA.readout],
}, READOUT));

const WIRES = DATA.edges.map(([s, t, port, score], rank) => ({
  s, t: t < 0 ? READOUT : t, port, rank, many: 1, value: score && score[0], low: score && score[1], high: score && score[2],
  n: score ? score[3] : 0, selected: score ? score[4] : null,
}));
const LINKS = DATA.links;
const BY_NODES = WIRES.length === 0; // a method without edges: the slider counts nodes
const LARGEST = BY_NODES ? DATA.nodes.length : WIRES.length;
const SCORED = BY_NODES || WIRES.some((e) => e.value !== null); // drawn by hand: no edge is the strongest
const STRONGEST = Math.max(0, ...(BY_NODES ? DATA.nodes.map((n) => (n.score ? Math.abs(n.score[0] ?? 0) : 0))
  : WIRES.map((e) => Math.abs(e.value ?? 0))));

const state = {
  size: Math.max(1, LARGEST <= 1.5 * SUGGESTED || !SCORED ? LARGEST : SUGGESTED),
  pins: new Set(),
  paths: false,
  hover: null, // {node} or {edge}
  query: "",
  matches: new Set(),
  names: new Map(),
  groups: DATA.groups.map((g) => ({ name: g.name, members: new Set(g.members), open: false })),
  table: false,
  moving: false, // the slider is: a sketch is drawn until it rests
};

const groupId = (g) => READOUT + 1 + g;
const isGroup = (id) => id > READOUT;

function nodeOf(id) {
  if (!isGroup(id)) return NODES[id];
  const group = state.groups[id - READOUT - 1];
  const members = [...group.members].map((i) => NODES[i]);
  const rows = [...members].sort((a, b) => a.tower - b.tower || a.row - b.row);
  const middle = rows[Math.floor((rows.length - 1) / 2)];
  const one = members.every((m) => m.col === middle.col && m.tower === middle.tower);
  return {
    id, key: `group ${group.name}`, label: group.name, full: `group ${group.name} of ${members.length} nodes`, kind: "group",
    tower: middle.tower, row: middle.row, layer: middle.layer, col: one ? middle.col : -1,
    sites: members.flatMap((m) => m.sites), members,
  };
}
const labelOf = (id) => state.names.get(id) ?? nodeOf(id).label;
const fullOf = (id) => (state.names.has(id) ? `${state.names.get(id)}, ${nodeOf(id).full}` : nodeOf(id).full);
// In a sentence or a list a box alone does not say where it stands.
function titleOf(id) {
  const n = nodeOf(id);
  if (state.names.has(id) || n.kind === "group" || n.kind === "readout") return labelOf(id);
  const at = n.key.slice(n.key.lastIndexOf(" @ ") + 3);
  const tower = n.tower >= 0 && DATA.towers.length > 1 ? DATA.towers[n.tower].name : "";
  const what = { head: "head ", kv: "", embed: n.label === "embed" || n.label === "patches" ? "" : "embed " }[n.kind] ?? "";
  return `${tower && n.kind !== "projector" ? `${tower} ` : ""}${what}${n.label}${at === "all" ? "" : ` @ ${at}`}`;
}

// Where each node is drawn: in itself, or in the closed group that it belongs to.
function places() {
  const at = NODES.map((_, i) => i);
  state.groups.forEach((g, k) => { if (!g.open) for (const i of g.members) at[i] = groupId(k); });
  return at;
}

// The strongest edges, those of closed groups added up: first-order effects add, their intervals do not.
function edgesShown(size = state.size) {
  const wires = WIRES.slice(0, BY_NODES ? 0 : size);
  if (state.groups.every((g) => g.open)) return wires;
  const at = places();
  const merged = new Map();
  const out = [];
  for (const e of wires) {
    const [s, t] = [at[e.s], at[e.t]];
    if (s === e.s && t === e.t) { out.push(e); continue; }
    if (s === t) continue;
    const port = t === e.t ? e.port : "";
    const key = `${s} ${t} ${port}`;
    const known = merged.get(key);
    if (known === undefined) {
      const made = { ...e, s, t, port };
      merged.set(key, made);
      out.push(made);
    } else {
      known.many += 1;
      known.value = known.value === null || e.value === null ? null : known.value + e.value;
      known.low = known.high = known.selected = null;
    }
  }
  return out.sort((a, b) => Math.abs(b.value ?? 0) - Math.abs(a.value ?? 0));
}

// Everything on the stage now; remembered until size or groups change.
const now = { edges: [], links: [], arcs: [], ids: [], into: new Map(), out: new Map() };
function look() {
  const at = places();
  now.edges = edgesShown();
  const ids = new Set();
  now.into = new Map();
  now.out = new Map();
  for (const e of now.edges) {
    ids.add(e.s).add(e.t);
    push(now.out, e.s, e);
    push(now.into, e.t, e);
  }
  const scored = BY_NODES ? DATA.nodes.slice(0, state.size) : [];
  scored.forEach((_, i) => ids.add(at[i]));
  now.links = LINKS.map(([a, b]) => [at[a], at[b]]).filter(([a, b]) => a !== b && ids.has(a) && ids.has(b));
  now.arcs = now.links.filter(([a, b]) => a < b || !now.links.some(([c, d]) => c === b && d === a)); // each drawn once
  now.ids = [...ids].sort((a, b) => a - b);
  for (const pin of [...state.pins]) if (!ids.has(pin)) state.pins.delete(pin);
}
function push(map, key, value) {
  const list = map.get(key);
  if (list) list.push(value); else map.set(key, [value]);
}

// All edges on some path through `id`, and all nodes on those.
function through(id) {
  const edges = new Set();
  const nodes = new Set([id]);
  for (const [next, end, from, to] of [[now.out, "t", 0, 1], [now.into, "s", 1, 0]]) {
    const seen = new Set([id]);
    const todo = [id];
    while (todo.length) {
      const at = todo.pop();
      const reached = (next.get(at) ?? []).map((e) => { edges.add(e); return e[end]; });
      for (const link of now.links) if (link[from] === at) reached.push(link[to]);
      for (const r of reached) if (!seen.has(r)) { seen.add(r); nodes.add(r); todo.push(r); }
    }
  }
  return { edges, nodes };
}

// What stays when the eye is on some nodes: their own edges, or whole paths.
function focus(ids) {
  const edges = new Set();
  const nodes = new Set(ids);
  for (const id of ids) {
    if (state.paths) {
      const found = through(id);
      found.edges.forEach((e) => edges.add(e));
      found.nodes.forEach((n) => nodes.add(n));
    } else {
      for (const e of [...(now.into.get(id) ?? []), ...(now.out.get(id) ?? [])]) {
        edges.add(e);
        nodes.add(e.s).add(e.t);
      }
    }
  }
  return { edges, nodes };
}
