// Two pictures on top of each other with a divider between them; zoom by pixels of the picture, panning, and a key that
// holds the original.

import { el } from "./common.js";

const MOST = 16; // screen pixels per pixel of the picture
const LEAST = 1 / 3; // height of the box as a share of its width, for panoramas
const TALLEST = 1.6;
const REST = 2500; // milliseconds after which the original's own pixels are fetched where they can be told

/** @param names what the left and the right picture are called */
export function viewer(place, names) {
  let share = 0.5;
  let [width, height] = [0, 0]; // pixels of the picture; none yet
  let fitted = true;
  let [scale, dx, dy] = [1, 0, 0]; // CSS pixels per pixel of the picture; where its upper left corner is
  let exact = null; // gives the address of the original's very pixels, once they are asked for
  let label = names[1];
  let original = ""; // its address
  let pinnedSource = null; // of a result that is kept on the left
  let resting = 0;
  const before = el("img", { alt: names[0], draggable: "false" });
  const after = el("img", { alt: names[1], draggable: "false" });
  const layer = el("div", { class: "layer" }, after);
  const [leftTag, rightTag] = [el("span", { class: "tag left" }, names[0]), el("span", { class: "tag right" }, names[1])];
  const handle = el("div", {
    class: "divider", role: "slider", tabindex: 0, "aria-label": "Divider between the pictures",
    "aria-valuemin": 0, "aria-valuemax": 100, "aria-orientation": "horizontal",
  });
  const box = el("div", {
    class: "viewer follows", tabindex: 0, role: "group",
    "aria-label": `${names[0]} and ${names[1]}. Plus, minus and 0 zoom, 1 and 2 show pixels, arrow keys move an enlarged picture, O holds the ${names[0]}.`,
  }, el("div", { class: "layer" }, before), layer, leftTag, rightTag, handle);
  const percent = el("output", { "aria-label": "Zoom" }, "fit");
  const state = el("span", { class: "state", role: "status" });
  const button = (text, label, act) => el("button", { type: "button", class: "quiet", "aria-label": label, title: label, onclick: act }, text);
  const peek = el("button", { type: "button", class: "quiet hold", title: `Hold to see the ${names[0]} (key O)`, "aria-label": `Hold to see the ${names[0]} alone`, "aria-pressed": "false" }, names[0]);
  const pin = el("button", {
    type: "button", class: "quiet hold", "aria-pressed": "false", "aria-label": "pin: keep this result on the left, to compare others with it",
    title: "Keep this result on the left, to compare others with it", onclick: () => pinned(pin.getAttribute("aria-pressed") !== "true"),
  }, "pin");
  const pixel = () => 1 / (globalThis.devicePixelRatio || 1); // CSS pixels of a screen pixel
  const tools = el("div", { class: "tools" }, button("−", "Zoom out", () => zoomTo(scale / 1.5)), percent,
    button("+", "Zoom in", () => zoomTo(scale * 1.5)), button("Fit", "Fit: whole picture", () => fit()),
    button("1:1", "1:1, one pixel of the picture on one of the screen", () => zoomTo(pixel())),
    button("2:1", "2:1, one pixel of the picture on two by two of the screen", () => zoomTo(2 * pixel())), peek, pin);
  box.append(state);
  place.append(box, tools);

  const size = () => [box.clientWidth, box.clientHeight];
  const fitting = () => Math.min(size()[0] / width, size()[1] / height);
  /** Keep the picture in the box: where it is smaller it stands in the middle. */
  const kept = (at, across, room) => (across <= room ? (room - across) / 2 : Math.min(0, Math.max(room - across, at)));

  function draw() {
    const [wide, high] = size();
    if (!wide || !high || !width) return;
    if (fitted) scale = fitting();
    dx = kept(dx, width * scale, wide);
    dy = kept(dy, height * scale, high);
    for (const image of [before, after]) {
      image.style.width = `${width}px`;
      image.style.height = `${height}px`;
      image.style.transform = `translate(${dx}px, ${dy}px) scale(${scale})`;
    }
    layer.style.clipPath = `inset(0 0 0 ${100 * share}%)`;
    handle.style.left = `${100 * share}%`;
    handle.setAttribute("aria-valuenow", Math.round(100 * share));
    const ratio = scale / pixel();
    box.classList.toggle("zoomed", !fitted);
    box.classList.toggle("pixels", ratio > 1.9);
    const times = [1, 2, 4, 8, 16].find((n) => Math.abs(ratio / n - 1) < 0.01);
    percent.textContent = times || ratio > MOST ? `${times ?? Math.round(ratio)}:1` : `${Math.round(100 * ratio)} %`;
    if (fitted) percent.textContent += " (fit)";
    if (!fitted && ratio >= 0.99) sharpen();
  }

  /** Show the original's own pixels in place of a rendition, once somebody looks that closely. */
  async function sharpen() {
    if (!exact) return;
    const get = exact;
    exact = null;
    const url = await get().catch(() => null);
    if (!url || before.dataset.of !== get.of) return;
    original = url;
    if (box.classList.contains("held")) left(url);
    else left(pinnedSource ?? url);
  }

  function fit() {
    fitted = true;
    draw();
  }

  function zoomTo(next, x, y) {
    if (!width) return;
    const [wide, high] = size();
    const [cx, cy] = [x ?? wide / 2, y ?? high / 2];
    const least = Math.min(fitting(), pixel());
    const to = Math.min(MOST * pixel(), Math.max(least, next));
    dx = cx - ((cx - dx) * to) / scale;
    dy = cy - ((cy - dy) * to) / scale;
    scale = to;
    fitted = to <= fitting() * 1.001 && next < pixel() * 0.999;
    draw();
  }

  const inside = (event) => {
    const { left, top } = box.getBoundingClientRect();
    return [event.clientX - left - box.clientLeft, event.clientY - top - box.clientTop];
  };
  const fingers = new Map();
  handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId) || fingers.size > 1) return;
    share = Math.min(1, Math.max(0, inside(event)[0] / size()[0]));
    draw();
  });
  handle.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: share - 0.05, ArrowRight: share + 0.05, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    share = Math.min(1, Math.max(0, to));
    draw();
  });

  box.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    fingers.set(event.pointerId, inside(event));
    if ((!fitted || fingers.size > 1) && event.target !== handle) box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const now = inside(event);
    if (fingers.size === 1 && !fitted && !handle.hasPointerCapture(event.pointerId)) {
      dx += now[0] - last[0];
      dy += now[1] - last[1];
      draw();
    } else if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
      zoomTo((scale * apart(now, other)) / Math.max(8, apart(last, other)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }
    fingers.set(event.pointerId, now);
  });
  // two fingers are the viewer's, or the browser would enlarge the whole page
  for (const kind of ["touchstart", "touchmove"]) {
    box.addEventListener(kind, (event) => { if (event.touches.length > 1 && event.cancelable) event.preventDefault(); }, { passive: false });
  }
  for (const kind of ["pointerup", "pointercancel"]) box.addEventListener(kind, (event) => fingers.delete(event.pointerId));
  box.addEventListener("dblclick", (event) => {
    if (event.target.closest(".divider")) return;
    const [x, y] = inside(event);
    if (!fitted) fit();
    else zoomTo(fitting() < 0.9 * pixel() ? pixel() : 2 * Math.max(pixel(), fitting()), x, y);
  });
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && fitted) return; // the page scrolls
    event.preventDefault();
    zoomTo(scale * Math.exp(-event.deltaY / 400), ...inside(event));
  }, { passive: false });

  function left(url) {
    if (before.src !== url) before.src = url;
  }

  /** Keep the present result on the left, or put the original back. */
  function pinned(on) {
    pin.setAttribute("aria-pressed", String(on));
    pinnedSource = on ? after.src : null;
    left(pinnedSource ?? original);
    before.alt = leftTag.textContent = on ? label.replace(" (preview)", "") : names[0];
  }

  /** Hold the original over everything. */
  function hold(on) {
    if (on === box.classList.contains("held")) return;
    left(on ? original : pinnedSource ?? original);
    box.classList.toggle("held", on);
    peek.setAttribute("aria-pressed", String(on));
    rightTag.textContent = on ? names[0] : label;
    if (on) sharpen();
  }
  peek.addEventListener("pointerdown", (event) => { event.preventDefault(); peek.focus({ focusVisible: false }); hold(true); });
  for (const kind of ["pointerup", "pointerleave", "pointercancel", "blur"]) peek.addEventListener(kind, () => hold(false));
  peek.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") hold(true); });
  peek.addEventListener("keyup", () => hold(false));
  peek.addEventListener("contextmenu", (event) => event.preventDefault());

  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  const keys = {
    "+": () => zoomTo(scale * 1.5), "=": () => zoomTo(scale * 1.5), "-": () => zoomTo(scale / 1.5), "−": () => zoomTo(scale / 1.5),
    0: fit, 1: () => zoomTo(pixel()), 2: () => zoomTo(2 * pixel()), o: () => hold(true), O: () => hold(true),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input[type=text], textarea, select, [contenteditable]")) return;
    if (event.target === box && !fitted && moves[event.key]) {
      event.preventDefault();
      dx += moves[event.key][0];
      dy += moves[event.key][1];
      draw();
    } else if (keys[event.key]) keys[event.key]();
  });
  document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "o") hold(false); });
  addEventListener("blur", () => hold(false));
  new ResizeObserver(draw).observe(box);

  return {
    /** A new picture on both sides until there is a result: {url, width, height, exact(), name}. */
    original(picture, name = names[0]) {
      ({ width, height } = picture);
      exact = picture.exact ?? null;
      if (exact) exact.of = picture.url;
      before.dataset.of = original = picture.url;
      pinnedSource = null;
      pin.setAttribute("aria-pressed", "false");
      before.src = after.src = picture.url;
      before.alt = after.alt = leftTag.textContent = rightTag.textContent = label = name;
      const shape = Math.max(LEAST, Math.min(TALLEST, height / width));
      box.style.setProperty("--shape", shape);
      box.classList.toggle("extreme", height / width !== shape);
      fit();
    },
    /** The address of the right picture. */
    show(source, name = names[1]) {
      after.src = source;
      after.alt = name;
      label = name;
      clearTimeout(resting);
      resting = setTimeout(() => { if (scale >= 0.99 * pixel()) sharpen(); }, REST);
      if (!box.classList.contains("held")) rightTag.textContent = name;
    },
    /** Say what is being done. */
    state(text, busy = false) {
      state.textContent = text;
      state.classList.toggle("busy", busy);
    },
    /** A key of the page beside those of the viewer. */
    key(name, act) {
      keys[name] = keys[name.toUpperCase()] = act;
    },
  };
}
