// Axes of plots: from values to places, ticks; and curves through points.

/** The least and the largest value, with a margin. */
export function extent(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return [low - margin, high + margin];
}

/** An axis that puts values between two places. */
export class Scale {
  constructor([low, high], from, to) {
    Object.assign(this, { low, high, from, to });
  }

  at(value) {
    return this.from + ((value - this.low) / (this.high - this.low)) * (this.to - this.from);
  }

  /** Round values, three to six of them. */
  ticks() {
    const step = 10 ** Math.floor(Math.log10((this.high - this.low) / 3));
    const size = [1, 2, 5, 10].map((k) => k * step).find((s) => (this.high - this.low) / s <= 5);
    const found = [];
    for (let t = Math.ceil(this.low / size) * size; t <= this.high + 1e-9 * size; t += size) found.push(Number(t.toPrecision(6)));
    return found;
  }
}

const [LETTER, LINE, BESIDE] = [6, 11, 7]; // of names in a drawing: width, height, distance from the point

/**
 * Names beside points, moved down as far as they would cover each other, and to the other side at the right edge.
 * @param all [{x, y, text}] with the places of the points
 * @param dot [x, y] of a large point that stays free, or null
 * @returns the same with the places of the names, and where they are anchored
 */
export function apart(all, width, dot = null) {
  const placed = dot ? [{ from: dot[0] - BESIDE, to: dot[0] + BESIDE, y: dot[1] + 4 }] : [];
  for (const name of [...all].sort((a, b) => a.y - b.y)) {
    const across = LETTER * name.text.length;
    const flipped = name.x + BESIDE + across > width;
    const from = flipped ? name.x - BESIDE - across : name.x + BESIDE;
    let { y } = name;
    for (const other of placed) if (from < other.to && other.from < from + across && y < other.y + LINE && y > other.y - LINE) y = other.y + LINE;
    placed.push({ ...name, from, to: from + across, x: flipped ? name.x - BESIDE : from, y, anchor: flipped ? "end" : "start" });
  }
  return placed.slice(dot ? 1 : 0);
}

/**
 * Number of the point farthest from the line between the ends on its better side, both axes scaled to their range; -1
 * where there is none: the curve is straight, or bulges to the worse side.
 *
 * @param xBetter, yBetter "higher", or else lower
 */
export function kneeOf(x, y, xBetter, yBetter) {
  const n = x.length;
  if (n < 4) return -1;
  const scaled = (values, better) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return values.map((v) => (better === "higher" ? high - v : v - low) / (high - low || 1));
  };
  const [a, b] = [scaled(x, xBetter), scaled(y, yBetter)];
  const [dx, dy] = [a[n - 1] - a[0], b[n - 1] - b[0]];
  const side = Math.sign(dy * a[0] - dx * b[0]); // on which of the line (0, 0) lies, the best of both
  const away = a.map((v, i) => side * (dx * (b[i] - b[0]) - dy * (v - a[0])) / (Math.hypot(dx, dy) || 1));
  const most = Math.max(...away);
  return most > 0.1 ? away.indexOf(most) : -1;
}

/** A smooth curve through points that neither overshoots nor turns between them (Fritsch and Carlson, 1980). */
export function smooth(xs, ys) {
  const n = xs.length;
  const h = xs.slice(1).map((v, i) => v - xs[i]);
  const d = h.map((v, i) => (ys[i + 1] - ys[i]) / v);
  const m = ys.map((_, i) => {
    if (i === 0) return d[0];
    if (i === n - 1) return d[n - 2];
    if (d[i - 1] * d[i] <= 0) return 0;
    const [w1, w2] = [2 * h[i] + h[i - 1], h[i] + 2 * h[i - 1]];
    return (w1 + w2) / (w1 / d[i - 1] + w2 / d[i]);
  });
  return (x) => {
    const at = Math.min(xs[n - 1], Math.max(xs[0], x));
    let i = 0;
    while (i < n - 2 && at > xs[i + 1]) i++;
    const t = (at - xs[i]) / h[i];
    return (2 * t ** 3 - 3 * t ** 2 + 1) * ys[i] + (t ** 3 - 2 * t ** 2 + t) * h[i] * m[i] +
      (3 * t ** 2 - 2 * t ** 3) * ys[i + 1] + (t ** 3 - t ** 2) * h[i] * m[i + 1];
  };
}
