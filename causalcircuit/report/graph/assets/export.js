// What can be taken away: the picture as it is now, and the edges with the names and groups given here.

const fileName = (ending) => `${(DATA.name || "circuit").replace(/[^\w.-]+/g, "-").slice(0, 60) || "circuit"}.${ending}`;

function save(blob, name) {
  const link = el("a", { download: name });
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`${name} saved`);
}

// Above the picture: what a reader must know who sees nothing but the file.
function paintHead(pen, width) {
  let y = 26;
  for (const failure of DATA.failures) { pen.text(MARGIN, y, fitted(`Not to be trusted: ${failure}`, 13, width - 2 * MARGIN, true), { size: 13, bold: true, fill: theme["warn-ink"], align: "start" }); y += 20; }
  pen.text(MARGIN, y, fitted(DATA.title, 17, width - 2 * MARGIN, true), { size: 17, bold: true, fill: theme.ink, align: "start" });
  y += 19;
  const facts = [...DATA.origin.map(([name, said]) => `${name} ${said}`),
    `shown ${counted(state.size, BY_NODES ? "node" : "edge")} of ${grouped(LARGEST)}`, faithfulText(state.size)].filter(Boolean);
  let line = "";
  const put = () => { if (line) pen.text(MARGIN, y, fitted(line, 11.5, width - 2 * MARGIN), { size: 11.5, fill: theme.soft, align: "start" }); y += 16; };
  for (const fact of facts) {
    const longer = line ? `${line}  ·  ${fact}` : fact;
    if (line && widthOf(longer, 11.5) > width - 2 * MARGIN) { put(); line = fact; } else line = longer;
  }
  put();
  return y;
}

function composed(penOf) {
  if (!scene) restage();
  const probe = paintHead(new SvgPen(), scene.width);
  const pen = penOf(scene.width, scene.height + probe);
  paintHead(pen, scene.width);
  return { pen, head: probe };
}

function asSvg() {
  const { pen, head } = composed(() => new SvgPen());
  pen.parts.push(`<g transform="translate(0 ${short(head)})">`);
  paintGround(pen, scene);
  paintCircuit(pen);
  paintLegend(pen, scene);
  pen.parts.push("</g>");
  return pen.svg(scene.width, scene.height + head, DATA.title, theme.paper);
}

function asCanvas(sharp = 2) {
  const sheet = document.createElement("canvas");
  const { pen, head } = composed((w, h) => {
    const k = Math.min(sharp, Math.sqrt(64e6 / (w * h)));
    sheet.width = Math.round(w * k);
    sheet.height = Math.round(h * k);
    const context = sheet.getContext("2d");
    context.fillStyle = theme.paper;
    context.fillRect(0, 0, sheet.width, sheet.height);
    context.setTransform(k, 0, 0, k, 0, 0);
    return new CanvasPen(context);
  });
  pen.c.translate(0, head);
  paintGround(pen, scene);
  paintCircuit(pen);
  paintLegend(pen, scene);
  return sheet;
}

function asJson() {
  const named = (id) => (id === READOUT ? null : NODES[id].key);
  return JSON.stringify({
    schema: "causalcircuit.picture", version: 1, circuit: DATA.name, model: DATA.model, weights: DATA.weights,
    origin: Object.fromEntries(DATA.origin), failures: DATA.failures, unit: DATA.unit,
    view: { size: state.size, pinned: [...state.pins].map((id) => nodeOf(id).key) },
    names: Object.fromEntries([...state.names].map(([id, said]) => [nodeOf(id).key, said])),
    groups: Object.fromEntries(state.groups.map((g) => [g.name, [...g.members].flatMap((i) => NODES[i].sites)])),
    nodes: DATA.nodes.map((n) => ({ node: n.id, kind: n.kind, sites: n.sites, score: n.score?.[0] ?? null })),
    edges: WIRES.slice(0, state.size).map((e) => ({
      source: named(e.s), target: named(e.t), into: e.port || null, score: e.value, low: e.low, high: e.high, rows: e.n, selected: e.selected,
    })),
  }, null, 1);
}
