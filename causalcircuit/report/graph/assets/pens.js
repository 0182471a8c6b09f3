// Two pens with the same strokes: one draws on a canvas, one writes SVG. What is seen and what is saved are one drawing.

const XML = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => XML[c]);
const short = (x) => String(Math.round(x * 100) / 100);

// What looks the same again and again (a node, a port) is drawn once on a sheet, and copied from there: strokes and
// letters cost many times what a copy does. Copies fall on whole pixels.
const SHEET = 2048;
const sheet = { canvas: null, context: null, spots: new Map(), x: 0, y: 0, tall: 0, look: "" };
function spotOn(key, w, h, k, paint) {
  const look = `${k} ${document.documentElement.dataset.theme}`;
  if (!sheet.canvas) {
    sheet.canvas = document.createElement("canvas");
    sheet.canvas.width = sheet.canvas.height = SHEET;
    sheet.context = sheet.canvas.getContext("2d");
  }
  if (sheet.look !== look) clearSheet(look);
  let spot = sheet.spots.get(key);
  if (spot) return spot;
  const [sw, sh] = [Math.ceil(w * k) + 2, Math.ceil(h * k) + 2];
  if (sheet.x + sw > SHEET) { sheet.x = 0; sheet.y += sheet.tall; sheet.tall = 0; }
  if (sw > SHEET || sheet.y + sh > SHEET) return null; // full: drawn where it stands
  spot = { x: sheet.x, y: sheet.y, w: sw, h: sh };
  sheet.context.setTransform(k, 0, 0, k, spot.x, spot.y);
  paint(new CanvasPen(sheet.context), sw / k / 2, sh / k / 2);
  sheet.x += sw;
  sheet.tall = Math.max(sheet.tall, sh);
  sheet.spots.set(key, spot);
  return spot;
}
function clearSheet(look) {
  sheet.context.setTransform(1, 0, 0, 1, 0, 0);
  sheet.context.clearRect(0, 0, SHEET, SHEET);
  sheet.spots.clear();
  Object.assign(sheet, { x: 0, y: 0, tall: 0, look });
}

class CanvasPen {
  // `k`: pixels a point, of a pen that copies from the sheet.
  constructor(context, k = 0) { this.c = context; this.k = k; this.copies = []; }
  // Something of w × h about x, y, which `paint(pen, x, y)` draws; copied when all are known, since a sheet that changes
  // between copies is copied as a whole.
  stamp(key, x, y, w, h, paint) {
    const spot = this.k ? spotOn(key, w, h, this.k, paint) : null;
    if (spot) this.copies.push([spot, x, y]); else paint(this, x, y);
  }
  copy() {
    this.c.globalAlpha = 1;
    for (const [s, x, y] of this.copies) {
      const [px, py] = [Math.round(x * this.k - s.w / 2), Math.round(y * this.k - s.h / 2)];
      this.c.drawImage(sheet.canvas, s.x, s.y, s.w, s.h, px / this.k, py / this.k, s.w / this.k, s.h / this.k);
    }
    this.copies = [];
  }
  #style({ stroke, width = 1, dash = null, alpha = 1 }) {
    this.c.globalAlpha = alpha;
    this.c.strokeStyle = stroke;
    this.c.lineWidth = width;
    if (this.dash !== dash) { this.c.setLineDash(dash ?? []); this.dash = dash; }
  }
  #finish(style) {
    this.c.globalAlpha = style.alpha ?? 1;
    if (style.fill) { this.c.fillStyle = style.fill; this.c.fill(); }
    if (style.stroke) { this.#style(style); this.c.stroke(); }
  }
  rect(x, y, w, h, r, style) {
    this.c.beginPath();
    if (r) this.c.roundRect(x, y, w, h, r); else this.c.rect(x, y, w, h);
    this.#finish(style);
  }
  poly(points, style) {
    this.c.beginPath();
    points.forEach(([x, y], i) => (i ? this.c.lineTo(x, y) : this.c.moveTo(x, y)));
    this.c.closePath();
    this.#finish(style);
  }
  line(points, style) {
    this.c.beginPath();
    points.forEach(([x, y], i) => (i ? this.c.lineTo(x, y) : this.c.moveTo(x, y)));
    this.#style(style);
    this.c.stroke();
  }
  circle(x, y, r, style) {
    this.c.beginPath();
    this.c.arc(x, y, r, 0, 2 * Math.PI);
    this.#finish(style);
  }
  curve(p, style) {
    this.c.beginPath();
    this.c.moveTo(p[0], p[1]);
    for (let i = 2; i < p.length; i += 6) this.c.bezierCurveTo(p[i], p[i + 1], p[i + 2], p[i + 3], p[i + 4], p[i + 5]);
    this.#style(style);
    this.c.stroke();
  }
  text(x, y, said, { size = 12, bold = false, fill, align = "middle", turn = 0, alpha = 1, halo = null }) {
    this.c.globalAlpha = alpha;
    const font = `${bold ? "600 " : ""}${size}px ${FONT}`;
    if (this.font !== font) { this.c.font = font; this.font = font; }
    this.c.fillStyle = fill;
    this.c.textAlign = { start: "left", middle: "center", end: "right" }[align];
    this.c.textBaseline = "alphabetic";
    if (!turn && !halo) { this.c.fillText(said, x, y); return; }
    this.c.save();
    this.c.translate(x, y);
    if (turn) this.c.rotate((turn * Math.PI) / 180);
    if (halo) {
      this.#style({ stroke: halo, width: 4 });
      this.c.lineJoin = "round";
      this.c.strokeText(said, 0, 0);
    }
    this.c.fillText(said, 0, 0);
    this.c.restore();
    this.dash = undefined; // brought back by `restore`
  }
  image(picture, x, y, w, h) {
    this.c.globalAlpha = 1;
    if (picture.complete && picture.naturalWidth) this.c.drawImage(picture, x, y, w, h);
  }
}

class SvgPen {
  constructor() { this.parts = []; }
  stamp(key, x, y, w, h, paint) { paint(this, x, y); }
  copy() {}
  #style({ fill = "none", stroke = "none", width = 1, dash = null, alpha = 1 }) {
    let text = ` fill="${fill}"`;
    if (stroke !== "none") text += ` stroke="${stroke}" stroke-width="${short(width)}"`;
    if (dash?.length) text += ` stroke-dasharray="${dash.map(short).join(" ")}"`;
    return alpha < 1 ? `${text} opacity="${short(alpha)}"` : text;
  }
  rect(x, y, w, h, r, style) {
    this.parts.push(`<rect x="${short(x)}" y="${short(y)}" width="${short(w)}" height="${short(h)}"${r ? ` rx="${r}"` : ""}${this.#style(style)}/>`);
  }
  poly(points, style) {
    this.parts.push(`<polygon points="${points.map((p) => p.map(short).join(",")).join(" ")}"${this.#style(style)}/>`);
  }
  line(points, style) {
    this.parts.push(`<polyline points="${points.map((p) => p.map(short).join(",")).join(" ")}"${this.#style(style)}/>`);
  }
  circle(x, y, r, style) {
    this.parts.push(`<circle cx="${short(x)}" cy="${short(y)}" r="${short(r)}"${this.#style(style)}/>`);
  }
  curve(p, style, told = null) {
    const d = `M${short(p[0])} ${short(p[1])}C${p.slice(2).map(short).join(" ")}`;
    const title = told ? `><title>${escaped(told())}</title></path>` : "/>";
    this.parts.push(`<path d="${d}"${this.#style(style)}${title}`);
  }
  text(x, y, said, { size = 12, bold = false, fill, align = "middle", turn = 0, alpha = 1, halo = null }) {
    const more = `${halo ? ` stroke="${halo}" stroke-width="4" stroke-linejoin="round" paint-order="stroke"` : ""}${bold ? ' font-weight="600"' : ""}${turn ? ` transform="rotate(${turn} ${short(x)} ${short(y)})"` : ""}${alpha < 1 ? ` opacity="${short(alpha)}"` : ""}`;
    this.parts.push(`<text x="${short(x)}" y="${short(y)}" font-size="${size}" fill="${fill}" text-anchor="${align}"${more}>${escaped(said)}</text>`);
  }
  image(picture, x, y, w, h) {
    this.parts.push(`<image href="${picture.src}" x="${short(x)}" y="${short(y)}" width="${short(w)}" height="${short(h)}" preserveAspectRatio="none"/>`);
  }
  svg(width, height, title, paper) {
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${short(width)}" height="${short(height)}" viewBox="0 0 ${short(width)} ${short(height)}" font-family="${escaped(FONT)}" role="img"><title>${escaped(title)}</title><rect width="100%" height="100%" fill="${paper}"/>${this.parts.join("\n")}</svg>\n`;
  }
}
