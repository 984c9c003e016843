// A trade-off curve as SVG, with the present setting on it.

import { el, number } from "./common.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [360, 232, 50, 38, 16, 12];

function ticks(low, high) {
  const step = 10 ** Math.floor(Math.log10((high - low) / 3));
  const size = [1, 2, 5, 10].map((k) => k * step).find((s) => (high - low) / s <= 5);
  const result = [];
  for (let t = Math.ceil(low / size) * size; t <= high + 1e-9 * size; t += size) result.push(Number(t.toPrecision(6)));
  return result;
}

function extent(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return [low - margin, high + margin];
}

/**
 * @param place element to fill
 * @param options x and y (values along the curve), xLabel, yLabel, title, line (true), pick(index) on a click
 */
export function plot(place, options) {
  const { x, y, xLabel, yLabel, title, line = true } = options;
  let xs = extent(x);
  let ys = extent(y);
  const traces = [];
  let present = null;
  const svg = el("svg:svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: options.pick ? "group" : "img", "aria-label": title });
  const px = (v) => LEFT + ((v - xs[0]) / (xs[1] - xs[0])) * (WIDTH - LEFT - RIGHT);
  const py = (v) => HEIGHT - BOTTOM - ((v - ys[0]) / (ys[1] - ys[0])) * (HEIGHT - BOTTOM - TOP);
  const text = (a, b, content, more = {}) => el("svg:text", { x: a, y: b, ...more }, content);

  function draw() {
    const parts = [];
    for (const t of ticks(...xs)) {
      parts.push(el("svg:line", { class: "axis", x1: px(t), x2: px(t), y1: TOP, y2: HEIGHT - BOTTOM }));
      parts.push(text(px(t), HEIGHT - BOTTOM + 13, number(t, 4), { "text-anchor": "middle" }));
    }
    for (const t of ticks(...ys)) {
      parts.push(el("svg:line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: py(t), y2: py(t) }));
      parts.push(text(LEFT - 5, py(t) + 4, number(t, 4), { "text-anchor": "end" }));
    }
    parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, xLabel, { "text-anchor": "middle" }));
    parts.push(text(-(TOP + HEIGHT - BOTTOM) / 2, 11, yLabel, { "text-anchor": "middle", transform: "rotate(-90)" }));
    if (line) {
      const path = x.map((v, i) => `${i ? "L" : "M"}${px(v).toFixed(1)} ${py(y[i]).toFixed(1)}`).join("");
      parts.push(el("svg:path", { class: "curve", d: path }));
    }
    x.forEach((v, i) => {
      parts.push(el("svg:circle", { class: "mark", cx: px(v), cy: py(y[i]), r: 3 }));
      if (options.pick) {
        parts.push(el("svg:circle", {
          class: "hit", cx: px(v), cy: py(y[i]), r: 11, tabindex: 0, role: "button",
          "aria-label": `Go to the point ${xLabel} ${number(v)}, ${yLabel} ${number(y[i])}`,
          onclick: () => options.pick(i),
          onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); options.pick(i); } },
        }));
      }
    });
    for (const [a, b] of traces) parts.push(el("svg:circle", { class: "trace", cx: px(a), cy: py(b), r: 3 }));
    if (present) {
      parts.push(el("svg:circle", { class: "now", cx: px(present[0]), cy: py(present[1]), r: 6.5 }));
      svg.setAttribute("aria-label", `${title}. Now at ${xLabel} ${number(present[0])}, ${yLabel} ${number(present[1])}.`);
    }
    const focused = [...svg.querySelectorAll(".hit")].indexOf(document.activeElement);
    svg.replaceChildren(...parts);
    if (focused >= 0) svg.querySelectorAll(".hit")[focused].focus();
  }

  place.replaceChildren(svg, el("p", { class: "caption" }, title));
  draw();
  return {
    /** Put the present setting at (a, b); with `keep`, earlier ones stay as dots. */
    move(a, b, keep = false) {
      if (keep && present) traces.push(present);
      if (traces.length > 40) traces.shift();
      present = [a, b];
      xs = extent([...x, a, ...traces.map((t) => t[0])]);
      ys = extent([...y, b, ...traces.map((t) => t[1])]);
      draw();
    },
    /** Forget earlier settings. */
    clear() {
      traces.length = 0;
      present = null;
    },
  };
}
