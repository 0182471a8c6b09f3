// Numbers for people: as many digits as the interval bears, as the reports of the language print them.

const magnitude = (x) => Math.floor(Math.log10(Math.abs(x)));

function decimals(value, low, high) {
  const spread = Math.max(0, ...[low, high].filter((x) => x !== null).map((x) => Math.abs(x - value)));
  if (spread > 0) {
    const wanted = 1 - magnitude(spread);
    return value ? Math.min(wanted, 5 - magnitude(value)) : wanted;
  }
  return value ? 3 - magnitude(value) : 0;
}

function figure(x, places) {
  if (x !== 0 && (Math.abs(x) >= 1e7 || places > 8)) {
    return x.toExponential(Math.max(0, Math.min(magnitude(x) + places, 5)));
  }
  const text = x.toFixed(Math.max(0, Math.min(places, 8)));
  return Number(text) === 0 ? text.replace("-", "") : text;
}
const typeset = (text) => text.replaceAll("-", "−");

const unit = DATA.unit && DATA.unit !== "ratio" ? ` ${DATA.unit}` : "";
const signed = (x, text) => (x > 0 ? `+${text}` : typeset(text));
const signOf = (x) => (x === null ? "plain" : x < 0 ? "minus" : "plus");

function valueText(e) {
  if (e.value === null) return "no score";
  return signed(e.value, figure(e.value, decimals(e.value, e.low, e.high)));
}
function intervalText(e) {
  if (e.value === null || (e.low === null && e.high === null)) return "";
  const places = decimals(e.value, e.low, e.high);
  const end = (x, infinite) => (x === null ? infinite : typeset(figure(x, places)));
  return `${e.low === null ? "(" : "["}${end(e.low, "−∞")}, ${end(e.high, "∞")}${e.high === null ? ")" : "]"}`;
}
const scoreOf = (n) => ({ value: n.score[0], low: n.score[1], high: n.score[2], n: n.score[3], selected: n.score[4] });
const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ","); // toLocaleString takes microseconds each
const counted = (n, one, many = `${one}s`) => `${grouped(n)} ${n === 1 ? one : many}`;
const rounded = (x, places = 2) => typeset(x.toFixed(places));
