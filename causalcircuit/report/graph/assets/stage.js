// The picture on the screen: three canvases below one button for each node, drawn once a frame at most.

const stage = $("stage");
const scroll = $("scroll");
const holder = $("nodes");
const canvas = { ground: $("ground"), base: $("base"), over: $("over") };
const DENSEST = 24e6; // pixels of one canvas

let scene = null;
let zoom = 1;
let cursor = null; // the node that Tab comes to
let samples = null; // points along the edges, for the pointer
let shownEdges = []; // those that are drawn: all, or those of the pinned nodes
const due = { layout: false, base: false, over: false };
let waiting = false;
const timings = { first: null, whole: null, layout: [], hover: [] };

function request(what = "base") {
  due[what] = true;
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(draw);
}

function draw() {
  waiting = false;
  const began = performance.now();
  const { layout: anew, base, over } = due;
  due.layout = due.base = due.over = false;
  if (state.table) return;
  if (anew) restage();
  if (anew || base) paintBase();
  if (state.moving) pace(began);
  paintOver();
  if (anew) timings.layout.push(performance.now() - began);
  else if (over && !base) timings.hover.push(performance.now() - began);
  timings.first ??= performance.now();
}

function restage() {
  look();
  const narrow = matchMedia("(max-width: 900px)").matches;
  const height = narrow ? innerHeight * 0.9 : scroll.clientHeight;
  scene = layout(Math.max(320, scroll.clientWidth - (narrow ? 0 : 14)), Math.max(360, height - 6));
  samples = null;
  resize();
  if (!state.moving) buttons();
}

function resize() {
  const [w, h] = [scene.width * zoom, scene.height * zoom];
  stage.style.width = `${w}px`;
  stage.style.height = `${h}px`;
  const ratio = Math.min(devicePixelRatio || 1, Math.sqrt(DENSEST / (w * h)));
  for (const c of Object.values(canvas)) {
    const [pw, ph] = [Math.round(w * ratio), Math.round(h * ratio)];
    if (c.width !== pw || c.height !== ph) { c.width = pw; c.height = ph; }
    c.style.width = `${w}px`;
    c.style.height = `${h}px`;
  }
}

function penOn(c) {
  const context = c.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, c.width, c.height);
  const k = c.width / scene.width;
  context.setTransform(k, 0, 0, k, 0, 0);
  return new CanvasPen(context, k);
}

const seeking = () => state.query !== "" && state.matches.size > 0;

// How many edges a frame bears: learnt from the frames, since without a graphics card it is pixels that take the time.
const [FEWEST, MOST_AT_ONCE, FRAME] = [60, 4000, 30];
let bearable = 300;
function pace(began) {
  requestAnimationFrame(() => {
    const took = performance.now() - began;
    bearable = Math.round(Math.max(FEWEST, Math.min(MOST_AT_ONCE, bearable * (took > FRAME ? 0.7 : took < 0.7 * FRAME ? 1.3 : 1))));
  });
}

// Everything but what the pointer is on; also what is saved.
function paintCircuit(pen) {
  const eye = look_at();
  paintEdges(pen, shownEdges.length, 0);
  paintRest(pen, eye);
}

function look_at() {
  const eye = state.pins.size ? focus(state.pins) : null;
  shownEdges = eye ? now.edges.filter((e) => eye.edges.has(e)) : now.edges;
  return eye;
}

// Of the edges by strength those from number `end` down to `start`: the strong ones lie above.
function paintEdges(pen, end, start, how = {}) {
  if (seeking() && !state.pins.size) how = { ...how, alpha: 0.1 };
  for (let i = end - 1; i >= start; i -= 1) paintEdge(pen, shownEdges[i], scene, how);
}

function paintRest(pen, eye) {
  const pale = seeking() && !eye;
  const linked = eye ? now.arcs.filter(([a, b]) => eye.nodes.has(a) && eye.nodes.has(b)) : now.arcs;
  if (eye || linked.length <= LINKED) for (const link of linked) paintLink(pen, link, scene);
  paintAxes(pen, scene);
  for (const id of now.ids) {
    const faint = eye ? !eye.nodes.has(id) : pale && !state.matches.has(id);
    const ring = state.pins.has(id) || (seeking() && state.matches.has(id)) ? theme.accent : null;
    paintNode(pen, id, scene, { faint, ring });
  }
  if (!pale) paintPorts(pen, shownEdges, scene);
  pen.copy();
}

function paintBase() {
  const ground = penOn(canvas.ground);
  paintGround(ground, scene);
  paintLegend(ground, scene);
  $("clear").disabled = state.pins.size === 0;
  const eye = look_at();
  const many = shownEdges.length;
  const pen = penOn(canvas.base);
  // The strongest now; while nothing moves, the others a few each frame, elsewhere, until all are there.
  paintEdges(pen, Math.min(many, bearable), 0, { plain: state.moving });
  paintRest(pen, eye);
  const mine = (turn += 1);
  if (many > bearable && !state.moving) requestAnimationFrame(() => finish(mine, many));
}

let turn = 0; // the number of the picture: what is finished for an earlier one is dropped
const spare = document.createElement("canvas");
const drop = document.createElement("canvas").getContext("2d");
function finish(mine, left, pen = null) {
  if (mine !== turn || state.table) return;
  if (!pen) {
    spare.width = canvas.base.width;
    spare.height = canvas.base.height;
    pen = penOn(spare);
  }
  const began = performance.now();
  const next = Math.max(0, left - bearable);
  paintEdges(pen, left, next);
  drop.drawImage(spare, 0, 0, 1, 1, 0, 0, 1, 1); // or all strokes would wait for the last frame
  pace(began);
  if (next > 0) { requestAnimationFrame(() => finish(mine, next, pen)); return; }
  paintRest(pen, look_at());
  const base = canvas.base.getContext("2d");
  base.setTransform(1, 0, 0, 1, 0, 0);
  base.clearRect(0, 0, canvas.base.width, canvas.base.height);
  base.globalAlpha = 1;
  base.drawImage(spare, 0, 0);
  timings.whole = performance.now();
}

let covered = false; // whether anything is drawn over the picture
function paintOver() {
  const hover = state.hover;
  stage.classList.toggle("hushed", hover !== null);
  if (!hover && !covered) return;
  const pen = penOn(canvas.over);
  covered = hover !== null;
  if (!hover) return;
  const eye = hover.edge ? { edges: new Set([hover.edge]), nodes: new Set([hover.edge.s, hover.edge.t]) } : focus([hover.node]);
  const edges = [...eye.edges].sort((a, b) => Math.abs(a.value ?? 0) - Math.abs(b.value ?? 0));
  for (const e of edges) paintEdge(pen, e, scene, { alpha: 0.95, more: 0.5 });
  for (const link of now.arcs) if (eye.nodes.has(link[0]) && eye.nodes.has(link[1])) paintLink(pen, link, scene, 1);
  for (const id of eye.nodes) {
    paintNode(pen, id, scene, { strong: id === hover.node, ring: state.pins.has(id) ? theme.accent : null });
    patchOf(pen, id);
  }
  paintPorts(pen, edges, scene);
  pen.copy();
}

// The patch that a node stands at, outlined in the image.
function patchOf(pen, id) {
  const patch = nodeOf(id).patch;
  const shown = patch && scene.grids.find((g) => g.t === patch[0]);
  if (!shown || scene.boxes.get(id).cell) return;
  const [w, h] = [shown.w / shown.grid.cols, shown.h / shown.grid.rows];
  const [row, col] = [Math.floor(patch[1] / shown.grid.cols), patch[1] % shown.grid.cols];
  pen.rect(shown.x + col * w, shown.y + row * h, w, h, 0, { stroke: theme.accent, width: 2.5 });
}

const made = new Map();
function buttons() {
  const rank = (id) => (id === READOUT ? -1e9 : scene.boxes.get(id).y);
  const ids = [...now.ids].sort((a, b) => rank(b) - rank(a) || scene.boxes.get(a).x - scene.boxes.get(b).x);
  const list = ids.map((id) => {
    let button = made.get(id);
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.tabIndex = -1;
      button.dataset.id = id;
      made.set(id, button);
    }
    const box = scene.boxes.get(id);
    const [w, h] = [Math.max(box.w, box.cell ? 4 : 14) * zoom, Math.max(box.h, box.cell ? 4 : 14) * zoom];
    button.style.transform = `translate(${box.x * zoom - w / 2}px, ${box.y * zoom - h / 2}px)`;
    button.style.width = `${w}px`;
    button.style.height = `${h}px`;
    const [into, out] = [now.into.get(id)?.length ?? 0, now.out.get(id)?.length ?? 0];
    const said = `${fullOf(id)}: ${counted(into, "edge")} in, ${out} out`;
    if (button.ariaLabel !== said) button.ariaLabel = said;
    button.ariaPressed = String(state.pins.has(id));
    return button;
  });
  if (list.length !== holder.children.length || list.some((b, i) => holder.children[i] !== b)) {
    const focused = holder.contains(document.activeElement) ? document.activeElement : null;
    holder.replaceChildren(...list);
    if (focused?.isConnected) focused.focus({ preventScroll: true });
  }
  if (cursor === null || !now.ids.includes(cursor)) cursor = ids[0] ?? null;
  for (const button of list) button.tabIndex = Number(button.dataset.id) === cursor ? 0 : -1;
}

// The edge closest to a point of the picture, within a few pixels.
const STEPS = 20;
function edgeAt(x, y) {
  if (!samples) {
    samples = new Float32Array(shownEdges.length * (STEPS + 1) * 2);
    shownEdges.forEach((e, i) => {
      const p = curveOf(e, scene);
      for (let k = 0; k <= STEPS; k += 1) samples.set(pointOn(p, k / STEPS), (i * (STEPS + 1) + k) * 2);
    });
  }
  let [best, least] = [null, 6 / zoom];
  const stride = (STEPS + 1) * 2;
  for (let i = 0; i < shownEdges.length; i += 1) {
    const start = i * stride;
    if (y > samples[start + 1] + 8 && y > samples[start + stride - 1] + 8) continue;
    if (y < samples[start + stride - 1] - 8 && y < samples[start + 1] - 8) continue;
    for (let k = start; k < start + stride - 2; k += 2) {
      const far = apart(x, y, samples[k], samples[k + 1], samples[k + 2], samples[k + 3]);
      if (far < least) { least = far; best = shownEdges[i]; }
    }
  }
  return best;
}
function apart(x, y, x0, y0, x1, y1) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const t = Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - x0 - t * dx, y - y0 - t * dy);
}

function hoverOn(what) {
  const same = state.hover?.node === what?.node && state.hover?.edge === what?.edge;
  if (same) return;
  state.hover = what;
  request("over");
}

// Pins a node alone, or one more; a pinned one is let go.
function pin(id, more = false) {
  const had = state.pins.has(id);
  if (!more) state.pins.clear();
  if (had) state.pins.delete(id); else state.pins.add(id);
  pinned();
  say(had ? `${titleOf(id)} let go` : `${titleOf(id)} pinned: ${counted(now.into.get(id)?.length ?? 0, "edge")} in, ${now.out.get(id)?.length ?? 0} out`);
}
function pinned() {
  samples = null;
  for (const [id, button] of made) button.ariaPressed = String(state.pins.has(id));
  request("base");
  inspect();
}

function say(text) { $("live").textContent = text; }

function zoomTo(k) {
  zoom = Math.max(0.3, Math.min(4, k));
  resize();
  buttons();
  request("base");
}
