// Where everything stands: rows by layer from the bottom up, columns by position where there are positions.

const SIZES = [ // from roomy to tight; the last one has no room for names
  { name: "large", font: 15, pad: 12, gap: 26, tall: 32, least: 54, most: 170 },
  { name: "full", font: 13, pad: 9, gap: 14, tall: 26, least: 42, most: 132 },
  { name: "compact", font: 11, pad: 5, gap: 8, tall: 21, least: 32, most: 84 },
  { name: "small", font: 9, pad: 3, gap: 4, tall: 16, least: 24, most: 48 },
  { name: "dot", font: 0, pad: 0, gap: 5, tall: 11, least: 11, most: 11 },
];
const FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", Verdana, sans-serif';
const LEAST = { large: 76, full: 56, compact: 44, small: 38, dot: 38 }; // from row to row
const MOST = 40; // nodes of a picture that is drawn large
const [GUTTER, MARGIN, LEGEND] = [92, 18, 64];

const ruler = document.createElement("canvas").getContext("2d");
const widths = new Map();
function widthOf(text, size, bold = false) {
  const key = `${size}${bold}${text}`;
  let w = widths.get(key);
  if (w === undefined) {
    ruler.font = `${bold ? "600 " : ""}${size}px ${FONT}`;
    w = ruler.measureText(text).width;
    widths.set(key, w);
  }
  return w;
}
function fitted(text, size, room, bold = false) {
  if (widthOf(text, size, bold) <= room) return text;
  let [low, high] = [0, Math.min(text.length, 200)];
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if (widthOf(`${text.slice(0, mid)}…`, size, bold) <= room) low = mid; else high = mid - 1;
  }
  return `${text.slice(0, low)}…`;
}

let boxWidths = new Map(); // of one layout: they are asked for again and again
function boxWidth(id, mode) {
  const key = id * SIZES.length + SIZES.indexOf(mode);
  let w = boxWidths.get(key);
  if (w === undefined) {
    w = measured(id, mode);
    boxWidths.set(key, w);
  }
  return w;
}
function measured(id, mode) {
  if (mode.name === "dot") return nodeOf(id).kind === "readout" ? 60 : mode.least;
  const most = mode.most * (isGroup(id) ? 2.2 : 1);
  return Math.max(mode.least, Math.min(most, widthOf(labelOf(id), mode.font) + 2 * mode.pad));
}

// The towers that have something to show, each with its rows; towers of one level stand side by side.
function blocks(ids) {
  const byTower = new Map();
  for (const id of ids) if (id !== READOUT) push(byTower, nodeOf(id).tower, id);
  const made = [...byTower.entries()].sort((a, b) => a[0] - b[0]).map(([t, members]) => {
    const tower = DATA.towers[t];
    const grid = tower.image ?? null;
    const cells = members.filter((id) => grid && nodeOf(id).kind === "embed" && nodeOf(id).patch?.[0] === t);
    const rest = members.filter((id) => !cells.includes(id));
    const rows = new Map();
    for (const id of rest) push(rows, nodeOf(id).row, id);
    const byColumn = tower.columns.length > 0 && rest.some((id) => nodeOf(id).col >= 0);
    const keys = [...rows.keys()].sort((a, b) => a - b);
    return {
      t, tower, grid, cells, byColumn, level: tower.level,
      rows: keys.map((row) => ({ row, ids: rows.get(row).sort((a, b) => (ordered.get(a) ?? 0) - (ordered.get(b) ?? 0)) })),
    };
  });
  return made;
}

// MLPs have a lane of their own beside the heads, half a line higher where room is scarce; not where columns tell apart.
function laneOf(block) {
  if (block.byColumn) return new Set();
  return new Set(block.rows.flatMap((r) => (r.ids.every((id) => nodeOf(id).kind === "mlp") && r.ids.length === 1 ? r.ids : [])));
}

let squeezed = false; // whether tokens at which nothing happens are left out, so that boxes have room for their names
const spoken = (b) => b.tower.tokens.length > 0 && (!b.byColumn || (squeezed && b.columns?.kept.some((c) => c.label === "…")));

function columnsOf(block, mode) {
  const used = new Map();
  for (const { ids } of block.rows) {
    const cells = new Map();
    for (const id of ids) push(cells, nodeOf(id).col, id);
    for (const [col, members] of cells) {
      const w = members.reduce((sum, id) => sum + boxWidth(id, mode) + mode.gap, 0);
      used.set(col, Math.max(used.get(col) ?? 0, w));
    }
  }
  const font = mode.font || 9;
  const listed = block.tower.columns.map(([label, note, index], i) => ({ i, label, note, index, used: used.has(i) }));
  if (used.has(-1)) listed.unshift({ i: -1, label: "", note: "", index: null, used: true });
  const many = squeezed || listed.length > 48;
  const kept = [];
  for (const c of listed) {
    const before = kept.at(-1);
    if (c.used) kept.push(c);
    else if (many && before?.label === "…") continue;
    else if (many) kept.push({ ...c, i: null, label: "…" });
    else if (before?.again && before.word === c.label) before.label = `${c.label} ×${++before.again}`;
    else kept.push({ ...c, i: null, word: c.label, again: 1 });
  }
  const level = kept.every((c) => widthOf(c.label, 12) <= 86);
  for (const c of kept) {
    const text = Math.min(widthOf(c.label, 12, c.used), 110);
    const own = used.get(c.i) ?? 0;
    c.flat = Math.max(own, text + 10, 16);
    c.turned = Math.max(own, 18);
    c.font = font;
  }
  return { kept, level };
}

function natural(block, mode) {
  if (block.byColumn) {
    block.columns = columnsOf(block, mode);
    const flat = block.columns.kept.reduce((sum, c) => sum + c.flat, 0);
    const turned = block.columns.kept.reduce((sum, c) => sum + c.turned, 0);
    return { least: turned, best: block.columns.level ? flat : turned };
  }
  const lane = laneOf(block);
  const laneWidth = Math.max(0, ...[...lane].map((id) => boxWidth(id, mode) + mode.gap));
  const row = Math.max(0, ...block.rows.map((r) => r.ids.filter((id) => !lane.has(id))
    .reduce((sum, id) => sum + boxWidth(id, mode) + mode.gap, 0)));
  return { least: row + laneWidth, best: row + laneWidth };
}

// The lines that rows stand on, in steps, from the bottom; bands are what belongs to one layer.
function lines(block, half) {
  const lane = laneOf(block);
  const alone = (r) => r.ids.every((id) => lane.has(id));
  let line = 0;
  let last = null;
  for (const r of block.rows) {
    const layer = nodeOf(r.ids[0]).layer;
    if (last !== null) {
      line += alone(r) !== last.alone ? half : 1;
      // What stands in the rows of the middle must not come closer to each other than a step.
      if (!alone(r) && line - last.middle < 1) line = last.middle + 1;
    }
    r.line = line;
    r.layer = layer;
    r.alone = alone(r);
    last = { alone: r.alone, middle: r.alone ? (last?.middle ?? -1) : line };
  }
  block.top = line;
  block.lane = lane;
}

function layout(room, height) {
  boxWidths = new Map();
  const list = blocks(now.ids);
  const levels = [...new Set(list.map((b) => b.level))].sort((a, b) => a - b).map((l) => list.filter((b) => b.level === l));
  const inner = room - GUTTER - 2 * MARGIN;
  const need = (mode, which) => Math.max(0, ...levels.map((bs) => bs.reduce((sum, b) => sum + natural(b, mode)[which] + 24, 0)));
  const sideAxis = (b) => (b.byColumn && b.tower.name !== "projector" ? 74 : 0) + (b.tower.tokens.length && (squeezed || !b.byColumn) ? 22 : 0);
  const sideGrid = (b) => (b.cells.length || (b.grid && b.grid.src) ? 172 : 0);
  squeezed = false;
  const fixed = MARGIN * 2 + LEGEND + 46 + levels.reduce((sum, bs) => sum + 20 + Math.max(...bs.map((b) => sideAxis(b) + sideGrid(b))), 0);
  const stepsOf = (half) => {
    list.forEach((b) => lines(b, half));
    return levels.reduce((sum, bs) => sum + Math.max(...bs.map((b) => b.top)) + 1, 0);
  };
  const roomy = stepsOf(1);
  const steps = fixed + roomy * LEAST.full <= height ? roomy : stepsOf(0.5);
  const tall = (m) => fixed + steps * LEAST[m.name] <= height;
  const sizes = now.ids.length <= MOST ? SIZES : SIZES.slice(1);
  // Roomy where that fits both ways; names stay readable rather than that all is seen at once.
  const roomiest = () => sizes.slice(0, -2).find((m) => need(m, "best") <= inner && tall(m)) ?? sizes.slice(-4).find((m) => need(m, "best") <= inner)
    ?? sizes.find((m) => need(m, "least") <= inner) ?? SIZES.at(-1);
  let mode = roomiest();
  if (!mode.font) {
    squeezed = true;
    const other = roomiest();
    if (other.font) mode = other; else squeezed = false;
  }
  const turned = need(mode, "best") > inner;
  const width = Math.max(room, need(mode, turned ? "least" : "best") + GUTTER + 2 * MARGIN);

  const scene = { mode, width, boxes: new Map(), bands: [], axes: [], grids: [], panels: [], texts: [] };
  const step = Math.max(LEAST[mode.name], Math.min(132, (height - fixed) / Math.max(1, steps)));

  let y = -LEGEND - MARGIN; // upwards is negative; everything is moved down at the end
  for (const bs of levels) {
    const natures = bs.map((b) => natural(b, mode)[turned ? "least" : "best"] + 24);
    // Few nodes are not strewn over a wide window.
    const all = natures.reduce((a, b) => a + b, 0);
    const spare = Math.min(width - GUTTER - 2 * MARGIN - all, Math.max(300, all * 0.8)) / bs.length;
    let left = GUTTER + MARGIN + (width - GUTTER - 2 * MARGIN - all - spare * bs.length) / 2;
    let highest = y;
    bs.forEach((b, i) => {
      b.first = i === 0;
      const right = left + natures[i] + spare;
      highest = Math.min(highest, stand(scene, b, { left: left + 8, right: right - 8, y, step, mode, turned }));
      left = right;
    });
    y = highest - 14;
  }
  if (now.ids.includes(READOUT)) {
    y -= 26;
    const w = Math.min(360, Math.max(70, widthOf(labelOf(READOUT), 13, true) + 26));
    scene.boxes.set(READOUT, { x: width / 2, y, w, h: 28, mode: SIZES[0] });
    y -= 14;
  }
  relax(scene, list, mode);
  const lift = MARGIN - y + 8;
  for (const box of scene.boxes.values()) box.y += lift;
  for (const part of [...scene.bands, ...scene.axes, ...scene.grids, ...scene.panels, ...scene.texts]) part.y += lift;
  scene.height = lift;
  scene.lift = lift;
  return scene;
}

// Puts one tower on the stage, its lowest thing at y; returns its upper end.
function stand(scene, b, { left, right, y, step, mode, turned }) {
  const bottom = y;
  if (b.grid && (b.cells.length || b.grid.src)) {
    const side = 150 / Math.max(1, b.grid.rows / b.grid.cols);
    const tall = (side * b.grid.rows) / b.grid.cols;
    const x = (left + right) / 2 - side / 2;
    y -= tall + 4;
    scene.grids.push({ x, y, w: side, h: tall, grid: b.grid, t: b.t });
    for (const id of b.cells) {
      const at = nodeOf(id).patch[1];
      const [w, h] = [side / b.grid.cols, tall / b.grid.rows];
      scene.boxes.set(id, {
        x: x + ((at % b.grid.cols) + 0.5) * w, y: y + (Math.floor(at / b.grid.cols) + 0.5) * h, w, h, mode: SIZES.at(-1), cell: true,
      });
    }
    y -= 16;
  }
  if (spoken(b)) { // where columns do not say it: the typical row, in a line
    scene.texts.push({ x: (left + right) / 2, y: y - 7, w: right - left - 16, said: b.tower.tokens.join("").trim() });
    y -= 20;
  }
  if (b.byColumn) {
    const upright = turned || !b.columns.level;
    const hidden = b.tower.name === "projector"; // its columns are those of the image
    const tall = hidden ? 0 : upright ? 66 : 22;
    y -= tall;
    const all = b.columns.kept.reduce((sum, c) => sum + (upright ? c.turned : c.flat), 0);
    const spare = Math.max(0, Math.min(60, (right - left - all) / b.columns.kept.length));
    let x = left + (right - left - all - spare * b.columns.kept.length) / 2;
    const columns = b.columns.kept.map((c) => {
      const w = (upright ? c.turned : c.flat) + spare;
      x += w;
      return { ...c, x: x - w / 2, w };
    });
    b.at = new Map(columns.map((c) => [c.i, c]));
    scene.axes.push({ y, columns, upright, hidden });
  }
  const zero = b.rows.length ? y - step * 0.5 : y;
  for (const r of b.rows) {
    r.y = zero - r.line * step;
    for (const id of r.ids) {
      scene.boxes.set(id, { x: 0, y: r.y, w: boxWidth(id, mode), h: mode.tall, mode });
    }
  }
  const top = b.rows.length ? zero - b.top * step - step * 0.5 : y;
  if (b.byColumn) Object.assign(scene.axes.at(-1), { length: y - top });
  bands(scene, b, left, right, step);
  if (DATA.towers.length > 1) scene.panels.push({ x: left - 4, y: top - 4, w: right - left + 8, h: bottom - top + 8, title: b.tower.title });
  b.zone = { left, right };
  return top;
}

function bands(scene, b, left, right, step) {
  const byLayer = new Map();
  for (const r of b.rows) push(byLayer, r.layer ?? `row ${r.row}`, r);
  const spans = [...byLayer.entries()].map(([key, rows]) => ({
    key, high: Math.max(...rows.map((r) => r.line)), low: Math.min(...rows.map((r) => r.line)), y: rows[0].y, first: rows[0],
  }));
  spans.forEach((s, i) => {
    const below = i ? (spans[i - 1].high + s.low) / 2 : s.low - 0.5;
    const above = i + 1 < spans.length ? (s.high + spans[i + 1].low) / 2 : s.high + 0.5;
    const bottom = s.first.y + (s.low - below) * step;
    const kind = nodeOf(s.first.ids[0]).kind;
    const named = typeof s.key === "number" ? `layer ${s.key}` : { embed: b.tower.name === "vision" ? "patches" : "embeddings" }[kind] ?? "";
    scene.bands.push({
      x: left, w: right - left, y: bottom - (above - below) * step, h: (above - below) * step, title: named, odd: i % 2 === 1,
      first: b.first,
    });
  });
}
