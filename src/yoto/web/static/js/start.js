// The start page: what each page shows, moving by itself.

import { $, ask, el, facts, loaded } from "./common.js";
import { receive } from "./files.js";

const info = await facts("start");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let moving = !calm.matches;
const all = [];

/** One card: a picture that follows a slider, which moves by itself until somebody takes it. */
async function card({ name, title, about }) {
  const canvas = el("canvas", { class: "glimpse", width: 300, height: 200, role: "img", "aria-label": title });
  const range = el("input", { type: "range", min: 0, max: 1, step: 0.02, value: 0, "aria-label": title, disabled: true });
  const said = el("output", { class: "setting" });
  const moves = el("div", { class: "cardslider" }, range, said);
  const link = el("a", { href: `${name}.html`, tabindex: -1, "aria-hidden": "true" }, canvas);
  $("cards").append(el("article", { class: "card", "data-name": name }, el("h3", {}, el("a", { href: `${name}.html` }, title)), link, moves, el("p", {}, about)));
  const frames = await ask(`api/glimpse/${name}.json`);
  if (!frames.at) {
    link.remove();
    moves.remove();
    return;
  }
  [canvas.width, canvas.height, range.max, range.disabled] = [frames.width, frames.height, frames.at.length - 1, false];
  canvas.setAttribute("aria-label", `${title}: what it shows as ${frames.label} changes`);
  range.setAttribute("aria-label", frames.label);
  const strip = await loaded(frames.strip);
  const context = canvas.getContext("2d");
  const draw = (position) => {
    const i = Math.min(frames.at.length - 1, Math.floor(position));
    const share = position - i;
    for (const [n, alpha] of [[i, 1], [Math.min(i + 1, frames.at.length - 1), share]]) {
      context.globalAlpha = alpha;
      context.drawImage(strip, 0, n * frames.height, frames.width, frames.height, 0, 0, frames.width, frames.height);
    }
    context.globalAlpha = 1;
    said.textContent = frames.at[Math.round(position)];
    range.setAttribute("aria-valuetext", said.textContent);
    canvas.dataset.position = position.toFixed(2);
  };
  let own = false; // somebody moved it
  range.addEventListener("input", () => { own = true; draw(Number(range.value)); });
  draw(0);
  const offset = all.length / 3;
  all.push((seconds) => {
    if (own) return;
    const position = (frames.at.length - 1) * (0.5 - 0.5 * Math.cos((seconds / 4 + offset) * Math.PI * 0.8));
    range.value = position;
    draw(position);
  });
}

$("pause").addEventListener("click", () => {
  moving = !moving;
  $("pause").textContent = moving ? "Pause" : "Play";
});
$("pause").textContent = moving ? "Pause" : "Play";
let last = 0;
let clock = 0;
function step(now) {
  if (moving && !document.hidden) {
    clock += Math.min(0.1, (now - last) / 1000);
    for (const move of all) move(clock);
  }
  last = now;
  requestAnimationFrame(step);
}
receive();
await Promise.all(info.pages.map((entry) => card(entry).catch(() => {})));
if (location.hash === "#own") $("own").scrollIntoView(); // the cards have their heights only now
document.documentElement.dataset.done = "1";
requestAnimationFrame((now) => { last = now; step(now); });
