// A trade-off curve as SVG: the present setting on it, what lies beneath the pointer, bounds, and the knee.

import { el, number } from "./common.js";
import { apart, extent, kneeOf, Scale } from "./scale.js";
import { question } from "./slider.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [360, 240, 52, 40, 20, 14];
const KNEE = "The knee is the point of this curve farthest from the line between its ends: beyond it, on either side, a little more of one costs much of the other.";
const NEAR = 28; // of the drawing's units, from the pointer to a point

/**
 * @param place element to fill
 * @param options x and y (values along the curve), xLabel, yLabel, xBetter and yBetter ("lower" or "higher", or nothing),
 *   title, line (true), pick(index) on a click, at(index): the setting of a point in words
 */
export function plot(place, options) {
  const { xLabel, yLabel, line = true } = options;
  let { x, y, title, at = () => "" } = options;
  const traces = [];
  let marks = [];
  let bound = null; // {axis, value, below, out}
  let present = null;
  let said = "";
  let stop = 0; // the point that the tab key reaches
  let [sx, sy] = [null, null];
  const svg = el("svg:svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: options.pick ? "group" : "img", "aria-label": title });
  const hint = el("div", { class: "hint", hidden: true });
  const caption = el("p", { class: "caption" });
  const text = (a, b, content, more = {}) => el("svg:text", { x: a, y: b, ...more }, content);
  /** A value with the name and the unit of its axis. */
  const value = (label, v, digits) => {
    const [name, unit = ""] = label.split(", ");
    return `${name} ${number(v, digits)} ${unit}`.trim();
  };
  const ownKnee = () => (line ? kneeOf(x, y, options.xBetter, options.yBetter) : -1);
  const words = (i) => [at(i), value(xLabel, x[i]), value(yLabel, y[i])].filter(Boolean).join(", ");
  const sign = (better, up) => ({ lower: up ? " ↓ better" : " ← better", higher: up ? " ↑ better" : " better →" })[better] ?? "";

  function scales() {
    const more = [...traces, ...marks.map((m) => [m.x, m.y]), ...(present ? [present] : [])];
    sx = new Scale(extent([...x, ...more.map((p) => p[0])]), LEFT, WIDTH - RIGHT);
    sy = new Scale(extent([...y, ...more.map((p) => p[1])]), HEIGHT - BOTTOM, TOP);
  }

  function shade() {
    if (!bound?.axis) return [];
    const across = bound.axis === "x";
    const edge = (across ? sx : sy).at(bound.value);
    const low = across ? LEFT : TOP;
    const high = across ? WIDTH - RIGHT : HEIGHT - BOTTOM;
    const cut = Math.min(high, Math.max(low, edge));
    const first = across === bound.below; // the shaded part lies behind the edge
    const [from, to] = first ? [cut, high] : [low, cut];
    const area = across ? { x: from, y: TOP, width: to - from, height: HEIGHT - BOTTOM - TOP } : { x: LEFT, y: from, width: WIDTH - RIGHT - LEFT, height: to - from };
    const ends = across ? { x1: cut, x2: cut, y1: TOP, y2: HEIGHT - BOTTOM } : { x1: LEFT, x2: WIDTH - RIGHT, y1: cut, y2: cut };
    return [el("svg:rect", { class: "bound", ...area }), el("svg:line", { class: "edge", ...ends })];
  }

  function axes() {
    const parts = [];
    for (const t of sx.ticks()) {
      parts.push(el("svg:line", { class: "axis", x1: sx.at(t), x2: sx.at(t), y1: TOP, y2: HEIGHT - BOTTOM }));
      parts.push(text(sx.at(t), HEIGHT - BOTTOM + 14, number(t, 4), { "text-anchor": "middle" }));
    }
    for (const t of sy.ticks()) {
      parts.push(el("svg:line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: sy.at(t), y2: sy.at(t) }));
      parts.push(text(LEFT - 6, sy.at(t) + 4, number(t, 4), { "text-anchor": "end" }));
    }
    parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, xLabel + sign(options.xBetter, false), { "text-anchor": "middle" }));
    parts.push(text(4, 11, yLabel + sign(options.yBetter, true)));
    return parts;
  }

  function points() {
    const parts = [];
    const knee = ownKnee();
    if (knee >= 0) {
      parts.push(el("svg:circle", { class: "knee", cx: sx.at(x[knee]), cy: sy.at(y[knee]), r: 8 }));
    }
    x.forEach((v, i) => {
      parts.push(el("svg:circle", { class: bound?.out?.includes(i) ? "mark out" : "mark", cx: sx.at(v), cy: sy.at(y[i]), r: 3 }));
      if (!options.pick) return;
      parts.push(el("svg:circle", {
        class: "hit", cx: sx.at(v), cy: sy.at(y[i]), r: 11, tabindex: i === stop ? 0 : -1, role: "button", "data-index": i,
        "aria-label": `Go to ${words(i)}${i === knee ? " (the knee)" : ""}`,
        onclick: () => options.pick(i), onfocus: () => { stop = i; tell(i); }, onblur: quiet, onkeydown: (event) => key(event, i),
      }));
    });
    return parts;
  }

  function key(event, i) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      options.pick(i);
      return;
    }
    const order = [...x.keys()].sort((a, b) => x[a] - x[b]);
    const place = order.indexOf(i);
    const to = { ArrowLeft: place - 1, ArrowDown: place - 1, ArrowRight: place + 1, ArrowUp: place + 1, Home: 0, End: x.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = order[Math.min(x.length - 1, Math.max(0, to))];
    svg.querySelectorAll(".hit").forEach((hit, n) => hit.setAttribute("tabindex", n === next ? 0 : -1));
    svg.querySelectorAll(".hit")[next].focus();
  }

  const toKnee = el("button", { type: "button", class: "quiet", onclick: () => { if (!atKnee()) options.pick(ownKnee()); } });
  const aboutKnee = question("the knee", KNEE);
  const atKnee = () => {
    const knee = ownKnee();
    return present !== null && Math.hypot(sx.at(present[0]) - sx.at(x[knee]), sy.at(present[1]) - sy.at(y[knee])) < 2;
  };

  /** What is drawn, in words; and the way to the knee. */
  function entitle() {
    caption.replaceChildren(title);
    if (options.pick && ownKnee() >= 0) caption.append(" ", toKnee, " ", aboutKnee);
  }

  /** Names of points, none over another. */
  function names() {
    const knee = ownKnee();
    const all = marks.map((m) => ({ x: sx.at(m.x), y: sy.at(m.y) + 4, text: m.name, class: "othername" }));
    if (knee >= 0) {
      all.push({ x: sx.at(x[knee]) + 4, y: sy.at(y[knee]) + (options.yBetter === "higher" ? 15 : -9), text: "knee", class: "kneeword" });
    }
    return apart(all, WIDTH, present && [sx.at(present[0]), sy.at(present[1])]).map((name) => text(name.x, name.y, name.text, { class: name.class, "text-anchor": name.anchor }));
  }

  function draw() {
    scales();
    const parts = [...axes(), ...shade()];
    if (line) {
      const path = x.map((v, i) => `${i ? "L" : "M"}${sx.at(v).toFixed(1)} ${sy.at(y[i]).toFixed(1)}`).join("");
      parts.push(el("svg:path", { class: "curve", d: path }));
    }
    parts.push(...points());
    for (const [a, b] of traces) parts.push(el("svg:circle", { class: "trace", cx: sx.at(a), cy: sy.at(b), r: 3 }));
    if (present) {
      parts.push(el("svg:circle", { class: "now follows", cx: sx.at(present[0]), cy: sy.at(present[1]), r: 6.5 }));
      svg.setAttribute("aria-label", `${title} Now at ${said}${xLabel} ${number(present[0])}, ${yLabel} ${number(present[1])}.`);
    }
    for (const m of marks) {
      const [a, b] = [sx.at(m.x), sy.at(m.y)];
      parts.push(el("svg:path", { class: "other", d: `M${a - 4} ${b}L${a} ${b - 4}L${a + 4} ${b}L${a} ${b + 4}Z`, "data-name": m.name }));
    }
    parts.push(...names());
    const focused = document.activeElement?.closest?.(".hit") && svg.contains(document.activeElement) ? stop : -1;
    svg.replaceChildren(...parts);
    const there = atKnee();
    toKnee.textContent = there ? "At the knee" : "Go to the knee";
    toKnee.setAttribute("aria-disabled", String(there));
    if (focused >= 0) svg.querySelectorAll(".hit")[focused]?.focus();
  }

  /** Say what is at a place of the drawing. */
  function bubble(a, b, content) {
    hint.hidden = false;
    hint.textContent = content;
    hint.style.left = `${Math.min(78, Math.max(22, (100 * a) / WIDTH))}%`;
    hint.style.top = `${(100 * b) / HEIGHT}%`;
    hint.classList.toggle("below", b < 70);
  }
  const tell = (i) => bubble(sx.at(x[i]), sy.at(y[i]), words(i));
  const quiet = () => { hint.hidden = true; };
  svg.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect();
    const [a, b] = [((event.clientX - frame.left) / frame.width) * WIDTH, ((event.clientY - frame.top) / frame.height) * HEIGHT];
    const all = [
      ...x.map((v, i) => [sx.at(v), sy.at(y[i]), () => words(i)]),
      ...marks.map((m) => [sx.at(m.x), sy.at(m.y), () => `${m.name}: ${value(xLabel, m.x)}, ${value(yLabel, m.y, 4)}`]),
      ...(present ? [[sx.at(present[0]), sy.at(present[1]), () => `now: ${said}${value(xLabel, present[0])}, ${value(yLabel, present[1], 4)}`]] : []),
    ].map(([c, d, say]) => [Math.hypot(a - c, b - d), c, d, say]).sort((p, q) => p[0] - q[0]);
    if (all.length && all[0][0] < NEAR) bubble(all[0][1], all[0][2], all[0][3]());
    else quiet();
  });
  svg.addEventListener("pointerleave", quiet);

  place.replaceChildren(el("div", { class: "plotbox" }, svg, hint), caption);
  entitle();
  draw();
  return {
    /** Put the present setting at (a, b); with `keep`, earlier ones stay as dots. `words` say it. */
    move(a, b, keep = false, words = "") {
      if (keep && present) traces.push(present);
      if (traces.length > 40) traces.shift();
      present = [a, b];
      said = words && `${words}, `;
      draw();
    },
    /** Forget earlier settings. */
    clear() {
      traces.length = 0;
      marks = [];
      present = null;
      draw();
    },
    /** Another curve: {x, y, title, at}. */
    curve(next) {
      ({ x, y, title, at = at } = next);
      stop = Math.min(stop, x.length - 1);
      entitle();
      draw();
    },
    /** Results of others beside the curve: [{x, y, name}]. */
    others(next) {
      marks = next;
      draw();
    },
    /**
     * Shade what a bound forbids: {axis: "x", "y" or null for what is on neither, value, below: whether values below it
     * are allowed, out: numbers of the points that do not meet it}, or null.
     */
    bound(next) {
      bound = next;
      draw();
    },
  };
}
