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
 * @param options terms [{name, label, axis, unit, better}], series by name, chart, say(setting): a setting in words,
 *   go(setting): set the page to it; along a curve: along, the parameter at each point (ascending), log (true), order: the
 *   number of each point in the chart; of several parameters: points, the settings, one of which is chosen
 */
export function reach(place, options) {
  const { terms, chart } = options;
  const kind = el("select", { id: "reach-kind" }, ...terms.map((t) => el("option", { value: t.name }, t.label ?? t.name)));
  const box = el("input", { id: "reach-value", type: "text", inputmode: "decimal", autocomplete: "off", required: true, "aria-label": "Bound" });
  const sign = el("span", { "aria-hidden": "true" });
  const clear = el("button", { type: "button", class: "quiet", hidden: true, onclick: () => { chart.bound(null); note.textContent = ""; clear.hidden = true; } }, "Clear");
  const note = el("p", { class: "note", role: "status" });
  const form = el("form", { class: "target" }, el("label", { for: "reach-kind" }, "or reach"), kind, sign, box, el("button", {}, "Go"), clear, note);
  const term = () => terms.find((t) => t.name === kind.value);
  const signed = () => { sign.textContent = term().better === "higher" ? "≥" : "≤"; };
  signed();
  kind.addEventListener("change", signed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = typed(box.value);
    const { name, label = name, axis, unit = "", better = "lower" } = term();
    const values = options.series[name];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    if (!Number.isFinite(value)) {
      note.textContent = `A number, please: ${label} goes from ${number(low)} to ${number(high)}.`;
      return;
    }
    const fits = (v) => (better === "lower" ? v <= value : v >= value);
    const out = values.flatMap((v, i) => (fits(v) ? [] : [options.order?.[i] ?? i]));
    chart.bound({ axis, value, below: better === "lower", out });
    clear.hidden = false;
    const best = better === "lower" ? low : high;
    if (!fits(best)) {
      note.textContent = `Out of reach: the best ${label} of this network is ${number(best, 4)} ${unit}.`;
      return;
    }
    const found = options.points ? among(options, term(), value, fits) : on(options, term(), value, better === "lower" ? high : low);
    const spare = Math.abs(value - found.at(name));
    const others = terms.filter((t) => t.name !== name).map((t) => `${t.label ?? t.name} ${number(found.at(t.name), 4)}`);
    note.textContent = `${options.say(found.setting)} gives about ${label} ${number(found.at(name), 4)} ${unit}`.trimEnd() +
      (spare > 1e-6 * Math.abs(value) ? `, ${number(spare, 2)} to spare.` : ", just that.") +
      `${others.length ? ` Elsewhere: ${others.join(", ")}.` : ""}${found.remark ?? ""}`;
    options.go(found.setting);
  });
  place.replaceChildren(form);
}

/** Where a curve over one parameter just meets a bound; where all of it does, the end at which this term is worst. */
function on({ series, along: places, log = true }, { name }, value, worst) {
  const at = crossing(series[name], value) ?? series[name].indexOf(worst);
  return { setting: along(places, at, log), at: (other) => along(series[other], at, false) };
}

/** Of the measured settings of several parameters that meet a bound the one at which the other terms are best. */
function among({ series, points, terms }, { name }, value, fits) {
  const meet = series[name].flatMap((v, i) => (fits(v) ? [i] : []));
  const others = terms.filter((t) => t.name !== name && t.axis);
  const cost = (i) => others.reduce((sum, { name: other, better = "lower" }) => {
    const all = series[other];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    return sum + ((better === "lower" ? 1 : -1) * (all[i] - low)) / (high - low || 1);
  }, 0);
  const best = meet.reduce((a, b) => (cost(b) < cost(a) ? b : a));
  return {
    setting: points[best], at: (other) => series[other][best],
    remark: ` ${meet.length} of ${points.length} measured settings meet the bound; yoto select searches between them.`,
  };
}
