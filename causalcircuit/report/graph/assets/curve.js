// How many edges are shown, and how faithful as many are: a slider under the curve, on one scale.

const NS = "http://www.w3.org/2000/svg";
const WIDEST = Math.max(LARGEST, 2, ...DATA.curve.map((p) => p[0]));
const [CW, CH, CL, CR, CT, CB] = [284, 132, 30, 8, 10, 20];
const along = (size) => CL + (Math.log(Math.max(1, size)) / Math.log(WIDEST)) * (CW - CL - CR);
const sizeAt = (step) => Math.max(1, Math.round(LARGEST ** (step / 1000)));
const stepAt = (size) => Math.round((1000 * Math.log(size)) / Math.log(Math.max(2, LARGEST)));

function svgPart(parent, name, attributes, text = "") {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

let marker = null;
function drawCurve() {
  const holderOf = $("curve");
  if (!DATA.curve.length) {
    const said = document.createElement("p");
    said.className = "says";
    said.textContent = DATA.measured ? "Its faithfulness over sizes was not measured." : "Its trust was not measured.";
    holderOf.replaceChildren(said);
    return;
  }
  const ends = DATA.curve.flatMap((p) => [p[2], p[3] ?? p[2], p[4] ?? p[2]]);
  const [low, high] = [Math.max(-1, Math.min(0, ...ends)), Math.min(2, Math.max(1.05, ...ends))];
  const up = (f) => CH - CB - ((Math.max(low, Math.min(high, f)) - low) / (high - low)) * (CH - CB - CT);
  const told = DATA.curve.map((p) => `${p[0]}: ${rounded(p[2])}`).join(", ");
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${CW} ${CH}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Faithfulness by number of ${BY_NODES ? "nodes" : "edges"}: ${told}`);
  if (WIDEST > LARGEST) svgPart(svg, "rect", { class: "beyond", x: along(LARGEST), y: CT, width: CW - CR - along(LARGEST), height: CH - CB - CT });
  for (const f of [0, 0.5, 1].filter((x) => x >= low && x <= high)) {
    svgPart(svg, "line", { class: f === 1 ? "grid one" : "grid", x1: CL, x2: CW - CR, y1: up(f), y2: up(f) });
    svgPart(svg, "text", { x: CL - 5, y: up(f) + 3.5, "text-anchor": "end" }, String(f));
  }
  let free = -1e9;
  for (let size = 1; size <= WIDEST; size *= 10) {
    if (along(size) - free < 30) continue;
    free = along(size);
    svgPart(svg, "text", { x: free, y: CH - 6, "text-anchor": size === 1 ? "start" : "middle" }, grouped(size));
  }
  for (const [size, , , a, b] of DATA.curve) {
    if (a !== null && b !== null) svgPart(svg, "line", { class: "bar", x1: along(size), x2: along(size), y1: up(a), y2: up(b) });
  }
  svgPart(svg, "polyline", { class: "line", points: DATA.curve.map((p) => `${along(p[0])},${up(p[2])}`).join(" ") });
  for (const p of DATA.curve) svgPart(svg, "circle", { class: "dot", cx: along(p[0]), cy: up(p[2]), r: 2 });
  marker = {
    up, line: svgPart(svg, "line", { class: "now", y1: CT, y2: CH - CB }), dot: svgPart(svg, "circle", { class: "at", r: 4.5 }),
  };
  holderOf.replaceChildren(svg);
  // The slider's thumb stands under the marker.
  $("size").style.marginLeft = `${(100 * (along(1) - 8)) / CW}%`;
  $("size").style.width = `${(100 * (along(LARGEST) - along(1) + 16)) / CW}%`;
}

// What is known of the faithfulness at a size: measured there, or only on both sides of it.
function faithfulAt(size) {
  const points = DATA.curve;
  const exact = points.find((p) => p[0] === size);
  if (exact) return { f: exact[2], exact };
  const below = points.filter((p) => p[0] < size).at(-1);
  const above = points.find((p) => p[0] > size);
  if (!below || !above) return { f: null, below, above };
  const share = (Math.log(size) - Math.log(below[0])) / (Math.log(above[0]) - Math.log(below[0]));
  return { f: below[2] + share * (above[2] - below[2]), below, above };
}

const atPoint = (p) => `${rounded(p[2])}${p[3] !== null && p[4] !== null ? ` [${rounded(p[3])}, ${rounded(p[4])}]` : ""} at ${grouped(p[0])}`;
function faithfulText(size) {
  if (!DATA.curve.length) return "";
  const { exact, below, above } = faithfulAt(size);
  if (exact) return `Faithfulness ${atPoint(exact)} ${BY_NODES ? "nodes" : "edges"}.`;
  return `Not measured at this size. Faithfulness ${[below, above].filter(Boolean).map(atPoint).join(", ")} ${BY_NODES ? "nodes" : "edges"}.`;
}

function showSize() {
  const { size } = state;
  $("size").value = stepAt(size);
  $("size").setAttribute("aria-valuetext", `${counted(size, BY_NODES ? "node" : "edge")}. ${faithfulText(size)}`);
  if (document.activeElement !== $("size-number")) $("size-number").value = size;
  $("size-of").textContent = `of ${grouped(LARGEST)}`;
  $("size-says").textContent = faithfulText(size);
  if (!marker) return;
  const { f, exact } = faithfulAt(size);
  marker.line.setAttribute("x1", along(size));
  marker.line.setAttribute("x2", along(size));
  marker.dot.setAttribute("visibility", f === null ? "hidden" : "visible");
  marker.dot.setAttribute("class", exact ? "at" : "at between");
  marker.dot.setAttribute("cx", along(size));
  marker.dot.setAttribute("cy", marker.up(f ?? 0));
}

let resting = 0;
function rest() {
  state.moving = false;
  scene?.curves?.clear();
  samples = null;
  if (scene) buttons();
  inspect();
  request("base");
}

function resizeTo(size, aloud = false, sliding = false) {
  const next = Math.max(1, Math.min(LARGEST, Math.round(size) || 1));
  if (next === state.size) return;
  state.size = next;
  state.moving = sliding;
  clearTimeout(resting);
  if (sliding) resting = setTimeout(rest, 220);
  state.hover = null;
  hideTip();
  showSize();
  request("layout");
  if (state.table) showTable();
  if (!sliding) requestAnimationFrame(() => inspect());
  if (aloud) say(`${counted(next, BY_NODES ? "node" : "edge")}. ${faithfulText(next)}`);
}
