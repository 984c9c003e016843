// A slider with a number beside it, on a straight or a logarithmic scale.

import { el, number } from "./common.js";

let count = 0;

/**
 * @param place element to append to
 * @param options label, low, high, value, scale ("linear" or "log"), steps (100), ends ([text, text]),
 *   digits (3), moved(value) while it is dragged, set(value) when it is let go
 */
export function slider(place, options) {
  const { label, low, high, scale = "linear", steps = 100, digits = 3 } = options;
  const id = `slider-${options.id ?? ++count}`;
  const log = scale === "log";
  const toValue = (position) => (log ? low * (high / low) ** (position / steps) : low + ((high - low) * position) / steps);
  const toPosition = (value) => steps * (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
  const round = (value) => Math.min(high, Math.max(low, Number(Number(value).toPrecision(digits))));
  let value = options.value;
  const range = el("input", { type: "range", id, min: 0, max: steps, step: 1 });
  const box = el("input", {
    type: "number", step: "any", inputmode: "decimal", "aria-label": `${label}, as a number`, id: `${id}-number`,
  });
  const show = () => {
    range.value = toPosition(value);
    range.setAttribute("aria-valuetext", number(value, digits));
    if (document.activeElement !== box) box.value = number(value, digits);
  };
  let open = false; // moved since it was last let go
  const settle = () => {
    open = false;
    options.set?.(value);
  };
  range.addEventListener("input", () => {
    open = true;
    value = round(toValue(Number(range.value)));
    box.value = number(value, digits);
    range.setAttribute("aria-valuetext", number(value, digits));
    options.moved?.(value);
  });
  range.addEventListener("change", settle);
  // there is no "change" where a drag ends at the position it began at
  range.addEventListener("pointerup", () => setTimeout(() => { if (open) settle(); }));
  box.addEventListener("change", () => {
    const typed = Number(box.value);
    if (box.value.trim() !== "" && Number.isFinite(typed)) value = Math.min(high, Math.max(low, typed));
    box.value = number(value, 6);
    range.value = toPosition(value);
    options.set?.(value);
  });
  const ends = options.ends ?? [number(low), number(high)];
  const whole = el("div", { class: "slider" }, el("label", { for: id }, label), box, range,
    el("div", { class: "ends", "aria-hidden": "true" }, el("span", {}, ends[0]), el("span", {}, ends[1])));
  place.append(whole);
  show();
  return {
    element: whole,
    get value() { return value; },
    set value(next) { value = Math.min(high, Math.max(low, next)); show(); },
  };
}
