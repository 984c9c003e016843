// A slider with a number beside it, on a straight or a logarithmic scale.

import { el, number, term } from "./common.js";

let count = 0;
const SWIPE = 8; // pixels that a finger goes sideways before it moves a slider

/** A number as people type it: "0,5", "−3", "1e3"; NaN for anything else. */
export function typed(text) {
  const plain = text.trim().replace("−", "-").replace(/^([^.,]*),([^.,]*)$/, "$1.$2");
  return plain === "" ? NaN : Number(plain);
}

/**
 * @param place element to append to
 * @param options label, low, high, value, scale ("linear" or "log"), steps (100), ends ([text, text]),
 *   digits (3), about (what the label's word means), moved(value) while it is dragged, set(value) when it is let go
 */
export function slider(place, options) {
  const { label, low, high, scale = "linear", steps = 100, digits = 3, about } = options;
  const id = `slider-${options.id ?? ++count}`;
  const log = scale === "log";
  const toValue = (position) => (log ? low * (high / low) ** (position / steps) : low + ((high - low) * position) / steps);
  const toPosition = (value) => steps * (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
  const within = (value) => Math.min(high, Math.max(low, value));
  const round = (value) => within(Number(Number(value).toPrecision(digits)));
  const first = options.value;
  let value = first;
  const range = el("input", { type: "range", id, min: 0, max: steps, step: 1 });
  const box = el("input", {
    type: "text", inputmode: "decimal", autocomplete: "off", "aria-label": `${label}, as a number`, id: `${id}-number`,
  });
  const back = el("button", {
    type: "button", class: "reset", "aria-label": `Reset ${label}`, title: `Back to ${number(first, digits)}`, onclick: () => { put(first); set(); range.focus(); },
  }, "↺");
  const note = el("span", { class: "note", role: "status" });
  /** Show the value; what is typed in the box stays as it is. */
  const show = (keep = false) => {
    range.value = toPosition(value);
    range.setAttribute("aria-valuetext", number(value, digits));
    if (!keep) box.value = number(value, digits);
    back.disabled = number(value, 6) === number(first, 6);
    note.textContent = "";
  };
  const put = (next, keep = false) => {
    value = within(next);
    show(keep);
  };
  const set = () => options.set?.(value);

  let open = false; // moved since it was last let go
  let held = null; // a finger on it, which may still turn out to scroll
  const settle = () => {
    if (!open) return;
    open = false;
    set();
  };
  const take = () => {
    open = true;
    value = round(toValue(Number(range.value)));
    const at = range.value;
    show();
    range.value = at;
    options.moved?.(value);
  };
  range.addEventListener("input", () => {
    if (!held || held.sideways) return take();
    held.wanted = range.value;
    range.value = held.position;
  });
  range.addEventListener("change", () => { if (!held || held.sideways) { open = true; settle(); } });
  range.addEventListener("pointerdown", (event) => {
    held = event.pointerType === "touch" ? { x: event.clientX, position: range.value, wanted: null, sideways: false } : null;
  });
  range.addEventListener("pointermove", (event) => {
    if (!held || held.sideways || Math.abs(event.clientX - held.x) < SWIPE) return;
    held.sideways = true;
    if (held.wanted !== null) { range.value = held.wanted; take(); }
  });
  const leave = (tap) => () => {
    if (held && !held.sideways) {
      range.value = tap && held.wanted !== null ? held.wanted : held.position;
      if (range.value !== held.position) take();
    }
    held = null;
    // there is no "change" where a drag ends at the position it began at
    setTimeout(settle);
  };
  range.addEventListener("pointerup", leave(true));
  range.addEventListener("pointercancel", leave(false));

  box.addEventListener("change", () => {
    const found = typed(box.value);
    if (!Number.isFinite(found)) {
      show();
      note.textContent = `a number from ${number(low)} to ${number(high)}`;
      return;
    }
    put(found, found === within(found));
    if (found !== value) note.textContent = `from ${number(low)} to ${number(high)}`;
    set();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && typed(box.value) === value) set();
    const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (!steps) return;
    event.preventDefault();
    const start = Number.isFinite(typed(box.value)) ? within(typed(box.value)) : value;
    put(round(toValue(Math.min(100, Math.max(0, toPosition(start) + steps * (event.shiftKey ? 10 : 1))))));
    set();
  });
  const ends = options.ends ?? [number(low), number(high)];
  const element = el("div", { class: "slider" },
    el("span", { class: "label" }, el("label", { for: id }, label), ...(about ? [" ", question(label, about)] : [])),
    el("span", { class: "value" }, box, back), range,
    el("div", { class: "ends" }, el("span", { "aria-hidden": "true" }, ends[0]), note, el("span", { "aria-hidden": "true" }, ends[1])));
  place.append(element);
  show();
  return {
    element,
    first,
    get value() { return value; },
    set value(next) { put(next); },
  };
}

/** A question mark that explains a label. */
export function question(label, about) {
  const mark = term("?", about);
  mark.classList.add("ask");
  mark.setAttribute("aria-label", `What ${label} means`);
  return mark;
}
