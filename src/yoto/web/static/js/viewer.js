// Two pictures on top of each other with a divider between them, zoom and panning.

import { el } from "./common.js";

/** @param names what the left and the right picture are called */
export function viewer(place, names) {
  let [share, zoom, dx, dy] = [0.5, 1, 0, 0];
  const before = el("img", { alt: names[0], draggable: "false" });
  const after = el("img", { alt: names[1], draggable: "false" });
  const layer = el("div", { class: "layer" }, after);
  const [leftTag, rightTag] = [el("span", { class: "tag left" }, names[0]), el("span", { class: "tag right" }, names[1])];
  const handle = el("div", {
    class: "divider", role: "slider", tabindex: 0, "aria-label": "Divider between the pictures",
    "aria-valuemin": 0, "aria-valuemax": 100, "aria-orientation": "horizontal",
  });
  const box = el("div", { class: "viewer" }, el("div", { class: "layer" }, before), layer,
    leftTag, rightTag, handle);
  const percent = el("output", {}, "100 %");
  const state = el("span", { class: "state", role: "status" });
  const button = (text, label, act) => el("button", { type: "button", class: "quiet", "aria-label": label, onclick: act }, text);
  const tools = el("div", { class: "tools" }, button("−", "Zoom out", () => zoomTo(zoom / 1.5)), percent,
    button("+", "Zoom in", () => zoomTo(zoom * 1.5)), button("Fit", "Whole picture", () => zoomTo(1)), state);
  place.append(box, tools);

  function draw() {
    const { width, height } = box.getBoundingClientRect();
    dx = Math.min(0, Math.max(width * (1 - zoom), dx));
    dy = Math.min(0, Math.max(height * (1 - zoom), dy));
    for (const image of [before, after]) image.style.transform = `translate(${dx}px, ${dy}px) scale(${zoom})`;
    layer.style.clipPath = `inset(0 0 0 ${100 * share}%)`;
    handle.style.left = `${100 * share}%`;
    handle.setAttribute("aria-valuenow", Math.round(100 * share));
    box.classList.toggle("zoomed", zoom > 1.01);
    percent.textContent = `${Math.round(100 * zoom)} %`;
  }

  function zoomTo(next, x, y) {
    const { width, height } = box.getBoundingClientRect();
    const [cx, cy] = [x ?? width / 2, y ?? height / 2];
    const to = Math.min(16, Math.max(1, next));
    dx = cx - ((cx - dx) * to) / zoom;
    dy = cy - ((cy - dy) * to) / zoom;
    zoom = to;
    draw();
  }

  const divide = (event) => {
    const { left, width } = box.getBoundingClientRect();
    share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    draw();
  };
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    event.stopPropagation();
  });
  handle.addEventListener("pointermove", (event) => { if (handle.hasPointerCapture(event.pointerId)) divide(event); });
  handle.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: share - 0.05, ArrowRight: share + 0.05, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    share = Math.min(1, Math.max(0, to));
    draw();
  });
  let last = null;
  box.addEventListener("pointerdown", (event) => {
    if (zoom <= 1.01) return;
    last = [event.clientX, event.clientY];
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    if (!last || !box.hasPointerCapture(event.pointerId)) return;
    dx += event.clientX - last[0];
    dy += event.clientY - last[1];
    last = [event.clientX, event.clientY];
    draw();
  });
  box.addEventListener("pointerup", () => (last = null));
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", `${names[0]} and ${names[1]}; arrow keys move an enlarged picture`);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (!step || event.target !== box || zoom <= 1.01) return;
    event.preventDefault();
    dx += step[0];
    dy += step[1];
    draw();
  });
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && zoom <= 1.01) return; // the page scrolls
    event.preventDefault();
    const { left, top } = box.getBoundingClientRect();
    zoomTo(zoom * Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top);
  }, { passive: false });
  addEventListener("resize", draw);
  draw();

  return {
    /** A new picture, width x height pixels, on both sides until there is a result. */
    original(url, width, height, name = names[0]) {
      before.src = url;
      after.src = url;
      before.alt = after.alt = leftTag.textContent = rightTag.textContent = name;
      box.style.aspectRatio = `${width} / ${height}`;
      box.style.maxWidth = `calc(72vh * ${width / height})`;
      [zoom, dx, dy] = [1, 0, 0];
      requestAnimationFrame(draw);
    },
    /** The address of the right picture. */
    show(source, name = names[1]) {
      after.src = source;
      after.alt = name;
      rightTag.textContent = name;
    },
    /** Say what is being done. */
    state(text, busy = false) {
      state.textContent = text;
      state.classList.toggle("busy", busy);
    },
  };
}
