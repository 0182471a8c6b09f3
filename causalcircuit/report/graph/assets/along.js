// Where nodes stand within their rows.

// Positions of one row that are as close to `wish` as the widths allow (pool adjacent violators).
function spaced(boxes, wish, gap, left, right) {
  const offsets = [];
  let sum = 0;
  boxes.forEach((b, i) => {
    if (i) sum += (boxes[i - 1].w + b.w) / 2 + gap;
    offsets.push(sum);
  });
  const pools = [];
  wish.forEach((x, i) => {
    pools.push({ total: x - offsets[i], many: 1 });
    while (pools.length > 1 && pools.at(-2).total / pools.at(-2).many > pools.at(-1).total / pools.at(-1).many) {
      const top = pools.pop();
      pools.at(-1).total += top.total;
      pools.at(-1).many += top.many;
    }
  });
  const [low, high] = [left + boxes[0].w / 2, right - boxes.at(-1).w / 2 - sum];
  let i = 0;
  for (const p of pools) {
    const base = Math.max(low, Math.min(high, p.total / p.many));
    for (let k = 0; k < p.many; k += 1, i += 1) boxes[i].x = base + offsets[i];
  }
}

// Along the rows: evenly at first, then towards the nodes that edges lead to.
function relax(scene, list, mode) {
  const rows = [];
  for (const b of list) {
    const reserved = Math.max(0, ...[...b.lane].map((id) => scene.boxes.get(id).w));
    for (const r of b.rows) {
      if (b.byColumn) {
        const cells = new Map();
        for (const id of r.ids) push(cells, b.at.has(nodeOf(id).col) ? nodeOf(id).col : -1, id);
        for (const [col, ids] of cells) {
          const centre = b.at.get(col)?.x ?? (b.zone.left + b.zone.right) / 2;
          const all = ids.reduce((sum, id) => sum + scene.boxes.get(id).w + mode.gap, -mode.gap);
          let x = centre - all / 2;
          for (const id of ids) {
            const box = scene.boxes.get(id);
            box.x = x + box.w / 2;
            x += box.w + mode.gap;
          }
        }
      } else if (r.alone) {
        r.ids.forEach((id) => { scene.boxes.get(id).x = b.zone.right - reserved / 2 - 4; });
      } else {
        const right = b.zone.right - (reserved ? reserved + mode.gap : 0);
        const boxes = r.ids.map((id) => scene.boxes.get(id));
        const even = r.ids.map((_, i) => b.zone.left + ((i + 0.5) / r.ids.length) * (right - b.zone.left));
        boxes.forEach((box, i) => { box.x = even[i]; });
        rows.push({ ids: r.ids, boxes, even, left: b.zone.left, right });
      }
    }
  }
  const top = scene.boxes.get(READOUT);
  if (top) rows.push({ ids: [READOUT], boxes: [top], even: [scene.width / 2], left: GUTTER, right: scene.width - MARGIN, free: true });
  const near = new Map(now.ids.map((id) => [id, { boxes: [], weights: [], all: 0 }]));
  const tie = (id, other, weight) => {
    const n = near.get(id);
    n.boxes.push(scene.boxes.get(other));
    n.weights.push(weight);
    n.all += weight;
  };
  const aside = new Set(list.flatMap((b) => [...b.lane])); // a lane at the side would draw everything there
  for (const e of now.edges) {
    if (aside.has(e.s) || aside.has(e.t)) continue;
    const weight = Math.sqrt(Math.abs(e.value ?? 1));
    tie(e.s, e.t, weight);
    tie(e.t, e.s, weight);
  }
  const pull = (id) => {
    const n = near.get(id);
    let sum = 0;
    for (let i = 0; i < n.boxes.length; i += 1) sum += n.weights[i] * n.boxes[i].x;
    return n.all ? sum / n.all : null;
  };
  for (let sweep = 0; sweep < 6; sweep += 1) {
    for (const r of sweep % 2 ? [...rows].reverse() : rows) {
      const wish = r.ids.map((id, i) => { const to = pull(id) ?? r.even[i]; return r.free ? to : 0.45 * r.even[i] + 0.55 * to; });
      spaced(r.boxes, wish, mode.gap, r.left, r.right);
    }
  }
}
