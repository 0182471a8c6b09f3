// The same edges and nodes as text: sortable, and readable without the picture.

const PAGE = 250; // lines at a time: a table of thousands would keep the reader waiting
const views = {
  edges: { by: "rank", down: false, limit: PAGE },
  nodes: { by: "strength", down: true, limit: PAGE },
};

const EDGE_COLUMNS = [
  ["rank", "#", (e) => e.place, true],
  ["source", "from", (e) => titleOf(e.s)],
  ["target", "to", (e) => titleOf(e.t)],
  ["port", "into", (e) => e.port],
  ["value", `score${unit ? `,${unit}` : ""}`, (e) => e.value, true, (e) => valueText(e)],
  ["strength", "|score|", (e) => (e.value === null ? null : Math.abs(e.value)), true, (e) => (e.value === null ? "" : valueText(e).replace(/^[+−]/, ""))],
  ["interval", "interval", (e) => e.low, true, (e) => (e.many > 1 ? `sum of ${e.many} edges` : intervalText(e))],
  ["n", "rows", (e) => e.n || null, true],
  ["selected", "chosen", (e) => e.selected, true, (e) => (e.selected === null ? "" : `${Math.round(100 * e.selected)}%`)],
];
const NODE_COLUMNS = [
  ["name", "node", (n) => titleOf(n.id)],
  ["kind", "kind", (n) => n.kind],
  ["layer", "layer", (n) => n.layer, true],
  ["sites", "address", (n) => n.sites.join(", ")],
  ["score", "own score", (n) => (n.score ? n.score[0] : null), true, (n) => (n.score ? `${valueText(scoreOf(n))} ${intervalText(scoreOf(n))}` : "")],
  ["into", "edges in", (n) => now.into.get(n.id)?.length ?? 0, true],
  ["out", "edges out", (n) => now.out.get(n.id)?.length ?? 0, true],
  ["strength", "Σ |score|", (n) => [...(now.into.get(n.id) ?? []), ...(now.out.get(n.id) ?? [])].reduce((sum, e) => sum + Math.abs(e.value ?? 0), 0), true,
    (n, x) => figure(x, decimals(x, null, null))],
];

function sorted(rows, columns, view) {
  const read = columns.find(([key]) => key === view.by)[2];
  const keyed = rows.map((row, i) => [read(row), row, i]);
  const sign = view.down ? -1 : 1;
  keyed.sort(([a, , i], [b, , j]) => {
    if (a === null || b === null) return (a === null) - (b === null) || i - j; // what is not known comes last
    return (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b) * sign || i - j;
  });
  return keyed.map(([, row]) => row);
}

function tableOf(name, caption, rows, columns) {
  const view = views[name];
  const used = columns.filter(([key, , read]) => key === "rank" || rows.some((r) => read(r) !== null && read(r) !== ""));
  const head = used.map(([key, title, , numeric]) => el("th", {
    scope: "col", class: numeric ? "number" : "", "aria-sort": view.by !== key ? null : view.down ? "descending" : "ascending",
  }, el("button", {
    type: "button", "data-sort": `${name} ${key}`, onclick: () => {
      view.down = view.by === key ? !view.down : Boolean(numeric) && key !== "rank" && key !== "layer";
      view.by = key;
      showTable();
      $("tables").querySelector(`[data-sort="${name} ${key}"]`)?.focus();
    },
  }, title, view.by === key ? (view.down ? " ▼" : " ▲") : "")));
  const body = sorted(rows, columns, view).slice(0, view.limit).map((row) => el("tr", {}, ...used.map(([key, , read, numeric, write]) => {
    const value = read(row);
    const text = write ? write(row, value) : value === null ? "" : String(value);
    const goal = key === "source" ? row.s : key === "target" ? row.t : key === "name" ? row.id : null;
    const cell = el("td", { class: numeric ? `number${key === "value" ? ` ${signOf(row.value)}-ink` : ""}` : "" });
    cell.append(goal === null ? text : el("button", { type: "button", onclick: () => goTo(goal) }, text));
    return cell;
  })));
  const parts = [el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body))];
  if (rows.length > view.limit) {
    parts.push(el("p", {}, el("button", { type: "button", onclick: () => { view.limit = rows.length; showTable(); } }, `Show all ${grouped(rows.length)}`)));
  }
  return parts;
}

function showTable() {
  look();
  const parts = [];
  const edges = now.edges.map((e, i) => ({ ...e, place: i + 1 }));
  if (edges.length) parts.push(...tableOf("edges", `${SCORED ? `The ${counted(edges.length, "strongest edge")}` : counted(edges.length, "edge")}${edges.length < WIRES.length ? ` of ${grouped(WIRES.length)}` : ""}`, edges, EDGE_COLUMNS));
  parts.push(...tableOf("nodes", counted(now.ids.length, "node"), now.ids.map(nodeOf), NODE_COLUMNS));
  $("tables").replaceChildren(...parts);
}

function showView(table) {
  state.table = table;
  $("tables").hidden = !table;
  $("graph").hidden = table;
  $("view").ariaPressed = String(table);
  hideTip();
  if (table) showTable(); else request("layout");
  say(table ? "table" : "graph");
}
