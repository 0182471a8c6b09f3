// The beginning: what stands around the picture, and what the controls do.

function head() {
  $("title").textContent = DATA.title;
  const failures = $("failures");
  failures.hidden = DATA.failures.length === 0;
  failures.textContent = DATA.failures.length ? `Not to be trusted: ${DATA.failures.join("; ")}` : "";
  $("origin").replaceChildren(...DATA.origin.map(([name, said]) => el("div", {}, el("dt", {}, name), el("dd", {}, said))));
  if (BY_NODES) $("size-label").textContent = "Strongest nodes";
  $("size-number").max = LARGEST;
  $("sizes").hidden = (LARGEST < 2 || !SCORED) && !DATA.curve.length;
}

// On paper: light, and all edges at once.
let wasDark = false;
function toPaper() {
  wasDark = isDark();
  if (wasDark) setTheme(false);
  if (!scene || state.table) return;
  paintBase();
  turn += 1;
  paintCircuit(penOn(canvas.base));
}
function fromPaper() { if (wasDark) setTheme(true); }

const darkMedia = matchMedia("(prefers-color-scheme: dark)");
function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").textContent = dark ? "Light" : "Dark";
  readTheme();
  if (scene) request("base");
}
const isDark = () => document.documentElement.dataset.theme === "dark";

// `#size=40&theme=dark&view=table` opens the page that way.
function wishes() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const size = Number(asked.get("size"));
  if (size >= 1) state.size = Math.min(LARGEST, Math.round(size)) || 1;
  if (asked.has("theme")) setTheme(asked.get("theme") === "dark");
  return asked.get("view") === "table";
}

function controls() {
  $("size").addEventListener("input", (event) => resizeTo(sizeAt(Number(event.target.value)), false, true));
  $("size").addEventListener("keydown", (event) => { // one edge at a time where a step of the slider would be none
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = sizeAt(Number($("size").value) + 8 * step);
    resizeTo(next === state.size ? state.size + step : next);
  });
  $("size-number").addEventListener("change", (event) => { resizeTo(Number(event.target.value), true); event.target.value = state.size; });
  $("search").addEventListener("input", (event) => search(event.target.value));
  $("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !state.matches.size) return;
    const list = [...state.matches];
    const at = list.findIndex((id) => state.pins.has(id));
    const next = list[(at + 1) % list.length];
    goTo(next);
  });
  $("view").addEventListener("click", () => showView(!state.table));
  $("paths").addEventListener("click", () => {
    state.paths = !state.paths;
    $("paths").ariaPressed = String(state.paths);
    say(state.paths ? "whole paths" : "own edges");
    samples = null;
    request("base");
  });
  $("clear").addEventListener("click", letGo);
  $("theme").addEventListener("click", () => setTheme(!isDark()));
  $("help").addEventListener("click", () => $("keys").showModal());
  $("skip").addEventListener("click", () => { showView(true); $("tables").focus(); });
  $("as-svg").addEventListener("click", () => save(new Blob([asSvg()], { type: "image/svg+xml" }), fileName("svg")));
  $("as-png").addEventListener("click", () => asCanvas().toBlob((blob) => save(blob, fileName("png"))));
  $("as-json").addEventListener("click", () => save(new Blob([asJson()], { type: "application/json" }), fileName("json")));
  $("closer").addEventListener("click", () => zoomTo(zoom * 1.25));
  $("wider").addEventListener("click", () => zoomTo(zoom / 1.25));
  $("fit").addEventListener("click", () => zoomTo(scroll.clientHeight ? Math.min(1, (scroll.clientWidth - 2) / scene.width, scroll.clientHeight / scene.height) : 1));
  addEventListener("beforeprint", toPaper);
  addEventListener("afterprint", fromPaper);
  darkMedia.addEventListener("change", (event) => setTheme(event.matches));
  const sizeNow = () => scroll.clientWidth * 1e4 + (matchMedia("(max-width: 900px)").matches ? 0 : scroll.clientHeight);
  let seen = sizeNow();
  new ResizeObserver(() => { if (sizeNow() !== seen) { seen = sizeNow(); request("layout"); } }).observe(scroll);
}

setTheme(darkMedia.matches);
const asTable = wishes();
head();
drawCurve();
arrange();
look();
showSize();
controls();
listen();
inspect();
if (asTable) showView(true); else draw((due.layout = true));
// Time from navigation to the first picture, and of what was drawn since, for who measures.
Object.defineProperty(window, "circuitTimings", { value: timings });
