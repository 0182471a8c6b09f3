// In which order nodes stand in their rows, so that few edges cross. Computed over all edges, whatever the slider
// shows: nodes then keep their neighbours while edges come and go.

const rowKey = (n) => (n.kind === "readout" ? "readout" : `${n.tower} ${n.row}`);
let ordered = new Map();

function arrange() {
  const at = places();
  const ids = [...new Set(at)];
  const rows = new Map();
  for (const id of ids) push(rows, rowKey(nodeOf(id)), id);
  const keys = [...rows.keys()];
  const spot = new Map();
  const near = new Map();
  for (const e of WIRES) {
    const [s, t] = [at[e.s], at[e.t]];
    if (s === t) continue;
    const weight = Math.sqrt(Math.abs(e.value ?? 1)) || 1e-9;
    push(near, s, [t, weight]);
    push(near, t, [s, weight]);
  }
  const place = (list) => list.forEach((id, i) => spot.set(id, (i + 0.5) / list.length));
  for (const list of rows.values()) place(list.sort((a, b) => (nodeOf(a).number ?? -1) - (nodeOf(b).number ?? -1) || a - b));
  for (let sweep = 0; sweep < 12; sweep += 1) {
    for (const key of sweep % 2 ? [...keys].reverse() : keys) {
      const list = rows.get(key);
      const wish = new Map(list.map((id) => {
        let [sum, all] = [0, 0];
        for (const [other, weight] of near.get(id) ?? []) { sum += weight * spot.get(other); all += weight; }
        return [id, all ? 0.7 * (sum / all) + 0.3 * spot.get(id) : spot.get(id)];
      }));
      list.sort((a, b) => wish.get(a) - wish.get(b) || a - b);
      place(list);
    }
  }
  ordered = spot;
}
