// What things look like, in the strokes of either pen.

let theme = {};
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  theme = new Proxy({}, { get: (kept, name) => (kept[name] ??= style.getPropertyValue(`--${String(name)}`).trim()) });
}
const TONES = {
  head: "head", kv: "head", attn: "head", mlp: "mlp", neuron: "mlp", expert: "mlp", router: "mlp", embed: "embed",
  projector: "projector", feature: "feature", error: "feature",
};
const tone = (kind) => TONES[kind] ?? "other";

// Widths go with the square root, so that a tenth of the strongest edge is still seen; the legend shows them.
const widthFor = (value) => (value === null || STRONGEST === 0 ? 1.6 : 0.6 + 5.4 * Math.sqrt(Math.min(1.6, Math.abs(value) / STRONGEST)));
// Of very many edges the weak ones fade, so that the strong ones are seen.
const alphaFor = (value) => (value === null || STRONGEST === 0 ? 0.75
  : 0.32 * Math.min(1, (300 / now.edges.length) ** 0.4) + 0.58 * Math.sqrt(Math.min(1, Math.abs(value) / STRONGEST)));
const DASH = [7, 4];

const pictures = new Map();
function pictureOf(grid) {
  if (!grid.src) return null;
  let made = pictures.get(grid.src);
  if (!made) {
    made = new Image();
    made.addEventListener("load", () => request());
    made.src = grid.src;
    pictures.set(grid.src, made);
  }
  return made;
}

function portOffset(e, box) {
  if (box.mode.name === "dot" || box.cell) return 0;
  return { q: -box.w / 3.4, v: box.w / 3.4 }[e.port] ?? 0;
}

// Edges keep out of the way of the boxes between their ends, as far as a sideward bend can.
const CAREFUL = 320; // edges: of more, the boxes lie above the edges
function curveOf(e, scene) {
  scene.curves ??= new Map();
  let p = scene.curves.get(e);
  if (!p) {
    p = now.edges.length <= CAREFUL && !state.moving ? around(e, scene) : bent(e, scene);
    scene.curves.set(e, p);
  }
  return p;
}

function around(e, scene) {
  scene.near ??= buckets(scene);
  const plain = bent(e, scene);
  let [best, least] = [plain, 100 * hits(plain, e, scene)];
  if (!least) return plain;
  const [x0, x1] = [plain[0], plain[6]];
  const lanes = [(x0 + x1) / 2];
  for (const d of [18, 30, 44, 60, 80, 104, 130]) for (const x of [x0, x1]) lanes.push(x + d, x - d);
  for (const lane of lanes) {
    if (lane < GUTTER || lane > scene.width - 6) continue;
    const p = laned(plain, lane);
    const cost = 100 * hits(p, e, scene) + 0.5 * (Math.abs(lane - x0) + Math.abs(lane - x1)) + 8;
    if (cost < least) { least = cost; best = p; }
  }
  return best;
}

const BUCKET = 12;
function buckets(scene) {
  const near = new Map();
  for (const [id, box] of scene.boxes) {
    for (let k = Math.floor((box.y - box.h / 2) / BUCKET); k <= Math.floor((box.y + box.h / 2) / BUCKET); k += 1) push(near, k, [id, box]);
  }
  return near;
}

function hits(p, e, scene) {
  const met = new Set();
  for (let k = 1; k < 32; k += 1) {
    const [x, y] = pointOn(p, k / 32);
    for (const [id, box] of scene.near.get(Math.floor(y / BUCKET)) ?? []) {
      if (id !== e.s && id !== e.t && !box.cell && Math.abs(x - box.x) < box.w / 2 + 3 && Math.abs(y - box.y) < box.h / 2 + 2) met.add(id);
    }
  }
  return met.size;
}

// Up the lane at x: into it and out of it in a curve, straight between.
function laned([x0, y0, , , , , x1, y1], x) {
  const r = Math.min(76, (y0 - y1) * 0.48);
  const [a, b] = [y0 - r, y1 + r];
  return [x0, y0, x0, y0 - r * 0.6, x, a + r * 0.5, x, a, x, a - (a - b) / 3, x, b + (a - b) / 3, x, b, x, b - r * 0.5, x1, y1 + r * 0.6, x1, y1];
}

// A point of a curve of one or more pieces, at a share of its way.
function pointOn(p, share) {
  const pieces = (p.length - 2) / 6;
  const piece = Math.min(pieces - 1, Math.floor(share * pieces));
  const [i, t] = [6 * piece, share * pieces - piece];
  const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
  return [a * p[i] + b * p[i + 2] + c * p[i + 4] + d * p[i + 6], a * p[i + 1] + b * p[i + 3] + c * p[i + 5] + d * p[i + 7]];
}

function bent(e, scene) {
  const [a, b] = [scene.boxes.get(e.s), scene.boxes.get(e.t)];
  const [x0, y0] = [a.x, a.cell ? a.y : a.y - a.h / 2];
  const [x1, y1] = [b.x + portOffset(e, b), b.y + b.h / 2];
  if (y0 - y1 < 8) { // beside each other, or downwards out of a group: round the side
    const side = Math.abs(x0 - x1) < 4 ? 46 : 0;
    return [x0, y0, x0 + side, y0 - 30, x1 + side, y1 + 30, x1, y1];
  }
  const bend = Math.max(14, (y0 - y1) * 0.42);
  return [x0, y0, x0, y0 - bend, x1, y1 + bend, x1, y1];
}

function paintEdge(pen, e, scene, { alpha = null, more = 0, plain = false } = {}) {
  const sign = signOf(e.value);
  const width = widthFor(e.value) + more;
  pen.curve(curveOf(e, scene), {
    stroke: theme[sign], width, dash: sign === "minus" && !plain ? DASH : null, alpha: alpha ?? alphaFor(e.value),
  }, () => `${titleOf(e.s)} to ${titleOf(e.t)}: ${valueText(e)} ${intervalText(e)}`);
}

const LINKED = 60; // links from which on they are drawn only where the eye is on them
function paintLink(pen, [a, b], scene, alpha = 0.8) {
  const [from, to] = [scene.boxes.get(a), scene.boxes.get(b)];
  const [x0, x1] = from.x < to.x ? [from.x + from.w / 2, to.x - to.w / 2] : [from.x - from.w / 2, to.x + to.w / 2];
  const lift = Math.min(20, Math.abs(x1 - x0) / 4);
  pen.curve([x0, from.y, x0 + (x1 - x0) / 3, from.y - lift, x1 - (x1 - x0) / 3, to.y - lift, x1, to.y],
    { stroke: theme["head-line"], width: 1.3, dash: [1.5, 3], alpha });
}

const EDGE = 7; // what rings and outlines need beside a box
function paintNode(pen, id, scene, how = {}) {
  const box = scene.boxes.get(id);
  if (box.cell) { drawNode(pen, id, scene, box, how); return; }
  const n = nodeOf(id);
  const score = BY_NODES && n.score ? n.score[0] : "";
  const key = `${n.kind} ${box.w} ${box.h} ${box.mode.name} ${score} ${how.faint ? "f" : ""}${how.strong ? "s" : ""}${how.ring ?? ""} ${box.mode.font ? labelOf(id) : ""}`;
  pen.stamp(key, box.x, box.y, box.w + 2 * EDGE, box.h + 2 * EDGE, (p, x, y) => drawNode(p, id, scene, { ...box, x, y }, how));
}

function drawNode(pen, id, scene, box, { faint = false, ring = null, strong = false } = {}) {
  const n = nodeOf(id);
  const { x, y, w, h, mode } = box;
  const alpha = faint ? 0.22 : 1;
  const kind = tone(n.kind);
  const style = { fill: n.kind === "readout" ? theme.readout : theme[kind], stroke: theme[`${kind}-line`], width: strong ? 2.4 : 1.2, alpha };
  if (BY_NODES && n.score) { // no edges to carry the strength: the outline does
    const value = n.score[0];
    Object.assign(style, { stroke: theme[signOf(value)], width: widthFor(value) + (strong ? 1.5 : 0), dash: signOf(value) === "minus" ? [5, 3] : null });
  }
  const [left, top] = [x - w / 2, y - h / 2];
  if (ring) pen.rect(left - 4, top - 4, w + 8, h + 8, 8, { stroke: ring, width: 2.2 });
  if (box.cell) {
    pen.rect(left + 0.5, top + 0.5, w - 1, h - 1, 0, { stroke: theme.accent, width: strong ? 3 : 1.8, alpha });
    if (w >= 24 && !faint) {
      pen.rect(left + 1.5, top + 1.5, 8 + 6 * String(n.patch[1]).length, 13, 0, { fill: theme.accent });
      pen.text(left + 5.5, top + 12, String(n.patch[1]), { size: 10, fill: theme.paper, align: "start" });
    }
    return;
  }
  pen.rect(left - 1.5, top - 1.5, w + 3, h + 3, mode.name === "dot" ? 7 : 6, { fill: theme.paper });
  if (mode.name === "dot" && n.kind !== "readout" && n.kind !== "group") {
    shape(pen, n.kind, x, y, w, h, style);
    return;
  }
  switch (n.kind) {
    case "group":
      pen.rect(left + 3, top - 3, w, h, 6, style);
      pen.rect(left, top, w, h, 6, { ...style, stroke: theme.ink });
      break;
    case "projector":
      pen.poly([[left, top + h], [left + w, top + h], [left + w - 7, top], [left + 7, top]], style);
      break;
    case "readout":
      pen.rect(left, top, w, h, 14, { ...style, stroke: theme.ink });
      break;
    case "mlp": case "expert": case "neuron": case "router":
      pen.rect(left, top, w, h, 1.5, style);
      break;
    case "feature": case "error":
      pen.poly([[left, y], [left + 7, top], [left + w - 7, top], [left + w, y], [left + w - 7, top + h], [left + 7, top + h]], style);
      break;
    default:
      pen.rect(left, top, w, h, n.kind === "embed" ? h / 2 : 6, style);
  }
  const size = n.kind === "readout" ? Math.max(13, scene.mode.font) : mode.font || 9;
  const bold = n.kind === "readout";
  const fill = n.kind === "readout" ? theme["readout-ink"] : theme.ink;
  pen.text(x, y + size * 0.36, fitted(labelOf(id), size, w - 6, bold), { size, bold, fill, alpha: faint ? 0.4 : 1 });
}

function shape(pen, kind, x, y, w, h, style) {
  const [left, top] = [x - w / 2, y - h / 2];
  if (tone(kind) === "mlp") pen.rect(left, top, w, h, 1, style);
  else if (kind === "projector") pen.poly([[left, top + h], [left + w, top + h], [left + w - 3, top], [left + 3, top]], style);
  else if (tone(kind) === "feature") pen.poly([[x, top], [left + w, y], [x, top + h], [left, y]], style);
  else pen.circle(x, y, w / 2, style);
}

// The letters of the sides of a head, where edges enter them.
function paintPorts(pen, edges, scene) {
  const [r, size] = { large: [6.5, 10], full: [5.5, 8.5], compact: [4.4, 7] }[scene.mode.name] ?? [0, 0];
  if (!r) return;
  const seen = new Set();
  for (const e of edges) {
    const key = `${e.t} ${e.port}`;
    if (!e.port || seen.has(key)) continue;
    seen.add(key);
    const box = scene.boxes.get(e.t);
    const [x, y] = [box.x + portOffset(e, box), box.y + box.h / 2];
    pen.stamp(`port ${e.port} ${r}`, x, y + 1, 2 * r + 4, 2 * r + 4, (p, px, py) => {
      p.circle(px, py, r, { fill: theme.paper, stroke: theme["head-line"], width: 0.8 });
      p.text(px, py + size * 0.31, e.port, { size, fill: theme.ink });
    });
  }
}

// A title that a box would cover is left out: where there is so little room, the boxes say it.
function titled(p, scene) {
  p.free ??= ![...scene.boxes.values()].some((b) => b.x - b.w / 2 < p.x + 14 + widthOf(p.title, 12, true) && b.x + b.w / 2 > p.x + 8 && b.y - b.h / 2 < p.y + 20 && b.y + b.h / 2 > p.y + 6);
  return p.free;
}

function paintGround(pen, scene) {
  for (const p of scene.panels) pen.rect(p.x, p.y, p.w, p.h, 8, { stroke: theme.line, width: 1.2 });
  for (const b of scene.bands) {
    if (b.odd) pen.rect(b.x, b.y, b.w, b.h, 0, { fill: theme.band });
    if (b.title && b.first) pen.text(b.x - 16, b.y + b.h / 2 + 4, b.title, { size: 12, fill: theme.soft, align: "end" });
    else if (b.title) pen.text(b.x + 6, b.y + 13, b.title, { size: 10.5, fill: theme.soft, align: "start" });
  }
  for (const p of scene.panels) if (titled(p, scene)) pen.text(p.x + 10, p.y + 17, p.title, { size: 12, bold: true, fill: theme.soft, align: "start" });
  for (const a of scene.axes) {
    for (const c of a.columns) if (c.used) pen.line([[c.x, a.y - a.length + 4], [c.x, a.y]], { stroke: theme.line, width: 1 });
  }
  for (const g of scene.grids) {
    const picture = pictureOf(g.grid);
    if (picture) pen.image(picture, g.x, g.y, g.w, g.h);
    const lines = { stroke: picture ? "#ffffff" : theme["other-line"], width: 0.6, alpha: picture ? 0.55 : 0.6 };
    for (let i = 1; i < g.grid.cols; i += 1) pen.line([[g.x + (i * g.w) / g.grid.cols, g.y], [g.x + (i * g.w) / g.grid.cols, g.y + g.h]], lines);
    for (let i = 1; i < g.grid.rows; i += 1) pen.line([[g.x, g.y + (i * g.h) / g.grid.rows], [g.x + g.w, g.y + (i * g.h) / g.grid.rows]], lines);
    pen.rect(g.x, g.y, g.w, g.h, 0, { stroke: theme["other-line"], width: 1 });
  }
}

// Tokens stand above the edges that pass them.
function paintAxes(pen, scene) {
  for (const t of scene.texts) pen.text(t.x, t.y, fitted(t.said, 12, t.w), { size: 12, fill: theme.soft, halo: theme.paper });
  for (const a of scene.axes) {
    if (a.hidden) continue;
    for (const c of a.columns) {
      const bold = c.used && !!c.label;
      const how = { size: 12, fill: c.used ? theme.ink : theme.soft, bold, halo: theme.paper };
      if (a.upright) pen.text(c.x + 4, a.y + 12, fitted(c.label, 12, 62, bold), { ...how, align: "end", turn: -48 });
      else pen.text(c.x, a.y + 16, fitted(c.label, 12, c.w - 4, bold), how);
    }
  }
}

const KINDS = [
  ["head", "head"], ["kv", "shared keys, values"], ["attn", "attention"], ["mlp", "MLP"], ["neuron", "neuron"], ["expert", "expert"],
  ["embed", "embedding"], ["projector", "projector"], ["feature", "feature"], ["group", "group"],
];
// What colours, dashes, widths and shapes mean: below the picture, and in what is saved.
function paintLegend(pen, scene) {
  let x = MARGIN + 4;
  let y = scene.height - LEGEND + 18;
  const word = (said, gap = 18) => { pen.text(x, y + 4, said, { size: 11.5, fill: theme.soft, align: "start" }); x += widthOf(said, 11.5) + gap; };
  const room = (w) => { if (x + w > scene.width - MARGIN) { x = MARGIN + 4; y += 20; } };
  if (STRONGEST > 0) {
    for (const [sign, said] of [["plus", "raises the readout"], ["minus", "lowers it"]]) {
      pen.line([[x, y], [x + 34, y]], { stroke: theme[sign], width: 3, dash: sign === "minus" ? DASH : null });
      x += 40;
      word(said);
    }
    for (const share of [1, 0.1, 0.01]) {
      pen.line([[x, y], [x + 22, y]], { stroke: theme.soft, width: widthFor(share * STRONGEST) });
      x += 27;
      word(figure(share * STRONGEST, 2 - magnitude(share * STRONGEST)) + (share === 1 ? unit : ""), 12);
    }
    x += 8;
  }
  const present = new Set(now.ids.map((id) => nodeOf(id).kind));
  for (const [kind, said] of KINDS) {
    if (!present.has(kind)) continue;
    room(26 + widthOf(said, 11.5));
    const style = { fill: theme[tone(kind)], stroke: kind === "group" ? theme.ink : theme[`${tone(kind)}-line`], width: 1.2 };
    if (tone(kind) === "feature") pen.poly([[x, y], [x + 5, y - 6], [x + 11, y - 6], [x + 16, y], [x + 11, y + 6], [x + 5, y + 6]], style);
    else if (kind === "projector") pen.poly([[x, y + 6], [x + 16, y + 6], [x + 12, y - 6], [x + 4, y - 6]], style);
    else pen.rect(x, y - 6, 16, 12, kind === "embed" ? 6 : tone(kind) === "mlp" ? 1.5 : 4, style);
    x += 21;
    word(said, 14);
  }
  if (now.arcs.length && now.arcs.length <= LINKED) {
    room(200);
    pen.line([[x, y], [x + 26, y]], { stroke: theme["head-line"], width: 1.3, dash: [1.5, 3] });
    x += 31;
    word("attention between positions");
  }
}
