// A bound on a term: shaded in the plot, met at the nearest setting along a curve, and by how much.

import { el, number } from "./common.js";
import { typed } from "./slider.js";

/** Where along a curve a rising or falling series takes a value: a share of its points, or null. */
function crossing(values, wanted) {
  for (let i = 1; i < values.length; i++) {
    const [a, b] = [values[i - 1], values[i]];
    if (a !== b && (wanted - a) * (wanted - b) <= 0) return i - 1 + (wanted - a) / (b - a);
  }
  return null;
}

const along = (values, at, log) => {
  const i = Math.min(values.length - 2, Math.max(0, Math.floor(at)));
  const share = at - i;
  return log ? values[i] * (values[i + 1] / values[i]) ** share : values[i] + share * (values[i + 1] - values[i]);
};

/**
 * @param place element to fill
 * @param options terms [{name, label, axis, unit, better}], series by name, along: the parameter at each point (ascending),
 *   log (true), say(value): the setting in words, chart, go(value): set the page to it
 */
export function reach(place, options) {
  const { terms, series, chart, log = true } = options;
  const kind = el("select", { id: "reach-kind" }, ...terms.map((t) => el("option", { value: t.name }, t.label ?? t.name)));
  const box = el("input", { id: "reach-value", type: "text", inputmode: "decimal", autocomplete: "off", required: true, "aria-label": "Bound" });
  const sign = el("span", { "aria-hidden": "true" }, "≤");
  const clear = el("button", { type: "button", class: "quiet", hidden: true, onclick: () => { chart.bound(null); note.textContent = ""; clear.hidden = true; } }, "Clear");
  const note = el("p", { class: "note", role: "status" });
  const form = el("form", { class: "target" }, el("label", { for: "reach-kind" }, "or reach"), kind, sign, box, el("button", {}, "Go"), clear, note);
  const term = () => terms.find((t) => t.name === kind.value);
  kind.addEventListener("change", () => { sign.textContent = term().better === "higher" ? "≥" : "≤"; });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = typed(box.value);
    const { name, label = name, axis, unit = "", better = "lower" } = term();
    const values = series[name];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    if (!Number.isFinite(value)) {
      note.textContent = `A number, please: ${label} goes from ${number(low)} to ${number(high)}.`;
      return;
    }
    chart.bound({ axis, value, below: better === "lower" });
    clear.hidden = false;
    const best = better === "lower" ? low : high;
    const met = better === "lower" ? best <= value : best >= value;
    if (!met) {
      note.textContent = `Out of reach: the best ${label} of this network is ${number(best, 4)} ${unit}.`;
      return;
    }
    // all points meet the bound: the end at which the others are best is the one where this is worst
    const at = crossing(values, value) ?? values.indexOf(better === "lower" ? high : low);
    const found = along(values, at, false);
    const setting = along(options.along, at, log);
    const spare = Math.abs(value - found);
    note.textContent = `${options.say(setting)} gives about ${label} ${number(found, 4)} ${unit}` +
      (spare > 1e-6 * Math.abs(value) ? `, ${number(spare, 2)} to spare.` : ", just that.") +
      ` Elsewhere: ${terms.filter((t) => t.name !== name).map((t) => `${t.label ?? t.name} ${number(along(series[t.name], at, false), 4)}`).join(", ")}.`;
    options.go(setting);
  });
  place.replaceChildren(form);
}
