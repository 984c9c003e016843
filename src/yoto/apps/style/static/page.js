import { address } from "./address.js";
import { choosing } from "./choose.js";
import { $, between, belongs, copyBox, done, el, facts, isStatic, Latest, loaded, number, problem, quoted, result, save, Visited } from "./common.js";
import { gallery, LARGEST } from "./gallery.js";
import { plot } from "./plot.js";
import { reach } from "./reach.js";
import { slider } from "./slider.js";
import { viewer } from "./viewer.js";

const WORDS = {
  fine: ["Fine strokes", "Weight of the likeness in the first layers of the feature network: grain and single brush strokes."],
  mid: ["Broad strokes", "Weight of the likeness in early layers: strokes and small patterns."],
  coarse: ["Shapes", "Weight of the likeness in middle layers: patterns the size of a hand."],
  coarser: ["Large shapes", "Weight of the likeness in late layers: how large areas are built."],
  smoothness: ["Smoothness", "Weight of the total variation, the sum of differences between neighbouring pixels: more of it, less grain."],
};
const info = await facts("style");
const view = viewer($("viewer"), ["photograph", "painted"]);
let ready = !isStatic;
const work = new Latest((busy) => view.state(busy ? (ready ? "painting" : "fetching the network, 16 MB, once") : "", busy));
const visited = new Visited($("replaces"), info.replaces);
const copy = copyBox($("copy"));
const curve = info.curve;
const chart = curve && plot($("plot"), {
  x: curve.series.content, y: curve.series.style, xLabel: "content loss", yLabel: "style loss", xBetter: "lower", yBetter: "lower",
  title: whose(), at: (i) => `strength ${number(strengthOf(curve.points[i].style))}`,
  pick: (i) => { strength.value = strengthOf(curve.points[i].style); release(); },
});
const engine = isStatic ? await (await import("./browser.js")).painter(info) : null;
let picture = null;
let pictures = null;
let shown = null; // of the last whole result: its address and name
let side = info.preview; // of previews: as large as this machine shows fluently
const FIRST = (info.styles.find((style) => style.thumbnail) ?? info.styles[0]).name;
let chosenStyle = FIRST;

function strengthOf(weight) {
  return Math.log(weight / info.weight.low) / Math.log(info.weight.high / info.weight.low);
}

/** Whether something is asked for that the curve is not of. */
function other(asked) {
  return !(Object.keys(asked.style).join() === curve.shown && Object.values(asked.layers).every((v) => v === 1));
}

/** Whose curve is drawn: that of one painting and even weights, not of what is set here. */
function whose(asked) {
  return `The trade-off over the strength: mean of ${curve.images} test photographs in the manner of ${curve.shown}, layers weighted evenly` +
    `${asked && other(asked) ? "; the present strength is marked on it, what is set here has a curve of its own" : ""}. Click a point to go there.`;
}

for (const style of info.styles) {
  const radio = el("input", {
    type: "radio", name: "style", value: style.name, class: "hidden", checked: style.name === chosenStyle,
    onchange: () => { chosenStyle = style.name; seconds(); release(); },
  });
  const about = [style.title, style.artist, style.date].filter(Boolean).join(", ");
  $("styles").append(el("label", { title: about || style.name }, radio,
    el("img", { src: `api/styles/${style.name}.jpg`, alt: "", width: 90, height: 90 }), el("span", {}, style.name)));
}
const unseen = info.styles.filter((style) => !style.thumbnail).map((style) => style.name);
if (unseen.length) $("styles").after(el("p", { class: "note" }, `Of ${unseen.join(", ")} a photograph in its manner is shown: the painting itself does not come along.`));

const options = { moved: () => drag(), set: () => release() };
const mix = slider($("mix"), { ...options, id: "mix", label: "Share of the second painting", low: 0, high: 1, value: 0.5, ends: ["none", "all"] });
const strength = slider($("strength"), {
  ...options, id: "strength", label: "Strength", low: 0, high: 1, value: info.strength, ends: ["photograph", "painting"],
  about: "The weight of the style loss against the content loss, from the lowest (0) to the highest (1) that the network was trained for.",
});
choosing($("choose"), {
  page: "style", what: "the strength", say: (point) => `strength ${number(strengthOf(point.style))}`,
  along: () => ({ name: "style", ...info.weight }),
  async picture(point) {
    const asked = { ...setting(), strength: strengthOf(point.style), preview: true };
    return engine ? (await engine({ picture, ...asked })).url : (await pictures.ask("api/style/paint", asked)).inline;
  },
  take: (point) => { strength.value = strengthOf(point.style); release(); },
});
const sliders = Object.fromEntries(info.sliders.map((s) => [s.name, slider($("sliders"), {
  ...options, id: s.name, label: WORDS[s.name]?.[0] ?? s.name, about: WORDS[s.name]?.[1], low: s.low, high: s.high, value: Number(s.value.toPrecision(3)), scale: "log",
  ends: s.name === "smoothness" ? ["grainy", "smooth"] : ["less", "more"],
})]));
const second = $("second");
function seconds() {
  const before = second.value;
  second.replaceChildren(...info.styles.filter((s) => s.name !== chosenStyle).map((s) => el("option", { value: s.name }, s.name)));
  if ([...second.options].some((o) => o.value === before)) second.value = before;
}
seconds();
second.addEventListener("change", () => release());
if (curve) {
  reach($("reach"), {
    terms: [{ name: "content", label: "content loss", axis: "x" }, { name: "style", label: "style loss", axis: "y" }],
    series: curve.series, along: curve.points.map((p) => p.style), chart, go: (weight) => { strength.value = strengthOf(weight); release(); },
    say: (weight) => `Strength ${number(strengthOf(weight))}${other(setting()) ? `, on the curve of ${curve.shown},` : ""}`,
  });
}
let setting_up = false;
$("blend").addEventListener("toggle", () => { if (!setting_up) release(); setting_up = false; });
$("colours").addEventListener("change", () => release());

/** What is asked for. */
function setting() {
  const share = $("blend").open ? mix.value : 0;
  const style = {};
  if (share < 1) style[chosenStyle] = 1 - share;
  if (share > 0) style[second.value] = share;
  const { smoothness, ...layers } = Object.fromEntries(Object.entries(sliders).map(([name, s]) => [name, s.value]));
  return { style, strength: strength.value, layers, smoothness, keep_colours: $("colours").checked };
}

async function paint(preview, signal) {
  const [current, asked] = [picture, setting()];
  let [url, made] = ["", {}];
  const begin = performance.now();
  if (engine) {
    ({ url, facts: made } = await engine({ picture: current, ...asked, preview }));
    ready = true;
  } else {
    made = await pictures.ask("api/style/paint", { ...asked, preview, ...(preview ? { side } : {}) }, (said) => view.state(said, true), signal);
    url = await result(made, signal);
  }
  if (current !== picture) return;
  await loaded(url);
  if (current !== picture) return;
  const took = performance.now() - begin;
  if (preview) side = Math.round(Math.min(info.preview, Math.max(info.preview / 2, side * (took > 120 ? 0.85 : took < 80 ? 1.1 : 1))));
  view.show(url, `painted, strength ${number(asked.strength)}${preview ? " (preview)" : ""}`);
  const weight = info.weight.low * (info.weight.high / info.weight.low) ** asked.strength;
  if (chart) {
    const weights = curve.points.map((p) => p.style);
    if (!preview) chart.curve({ x: curve.series.content, y: curve.series.style, title: whose(asked) });
    chart.move(between(weights, curve.series.content, weight), between(weights, curve.series.style, weight), false, `strength ${number(asked.strength)}`);
  }
  belongs(number(asked.strength), "viewer", "plot", "facts");
  $("facts").textContent = preview ? `A preview of ${made.width}×${made.height} pixels.` : `${made.width}×${made.height} pixels, total style weight ${number(weight)}.`;
  if (preview) return;
  problem("");
  shown = { url, name: `${current.name}-${Object.keys(asked.style).join("-")}-${number(asked.strength)}.png` };
  $("download").hidden = false;
  visited.add(asked);
  copy(texts(asked, current));
  state.save();
  done();
}

/** The setting as Python and as a command. */
function texts(asked, of) {
  const layers = Object.entries(asked.layers).filter(([, value]) => value !== 1);
  const styles = Object.entries(asked.style).map(([name, value]) => [name, number(value, 6)]);
  const named = styles.length === 1 ? `"${styles[0][0]}"` : `{${styles.map(([n, v]) => `"${n}": ${v}`).join(", ")}}`;
  const more = [
    ...(layers.length ? [`layers={${layers.map(([n, v]) => `"${n}": ${number(v, 6)}`).join(", ")}}`] : []),
    `smoothness=${number(asked.smoothness, 6)}`,
    ...(asked.keep_colours ? ["keep_colours=True"] : []),
  ];
  const alpha = of.alpha ? "\nout.putalpha(photo.convert(\"RGBA\").getchannel(\"A\"))" : "";
  return {
    python: `from PIL import Image\nfrom yoto import stylize\n\npainter = stylize.load("${info.model}")\nphoto = Image.open(${JSON.stringify(of.file)})\nout = Image.fromarray(painter(photo, ${named}, strength=${number(asked.strength, 6)}, ${more.join(", ")}))${alpha}\nout.save("out.png")`,
    shell: [`yoto stylize ${quoted(of.file)} -o out.png`, `--style ${styles.length === 1 ? styles[0][0] : styles.map((s) => s.join(":")).join(",")}`,
      `--strength ${number(asked.strength, 6)}`, ...layers.map(([n, v]) => `--layer ${n}=${number(v, 6)}`),
      `--smoothness ${number(asked.smoothness, 6)}`, ...(asked.keep_colours ? ["--keep-colours"] : [])].join(" "),
    sample: of.sample,
  };
}
const drag = () => picture && work.run(() => paint(true));
function release() {
  if (!picture) return;
  state.save(); // a reload while it is painted keeps the setting
  work.run((_, signal) => paint(false, signal), !isStatic);
}

$("download").addEventListener("click", () => { if (shown) save(shown.name, shown.url); });
if (isStatic) $("download").textContent = `Save as PNG (at most ${LARGEST} pixels wide and high)`;

const all = { strength, mix, ...sliders };
const state = address(
  () => ({
    style: chosenStyle, second: $("blend").open ? second.value : "", colours: $("colours").checked ? "kept" : "", picture: pictures?.named ?? "",
    ...Object.fromEntries(Object.entries(all).map(([name, s]) => [name, number(s.value, 4)])),
  }),
  (values) => { apply(values); if (!pictures.follow(values.picture)) release(); },
);
/** Set the controls to what an address says. */
function apply(values) {
  const radio = [...document.querySelectorAll("input[name=style]")].find((input) => input.value === values.style);
  if (radio) { radio.checked = true; chosenStyle = radio.value; seconds(); }
  if (values.second !== undefined && $("blend").open !== Boolean(values.second)) {
    setting_up = true;
    $("blend").open = Boolean(values.second);
  }
  if (values.second) second.value = values.second;
  if (values.colours !== undefined) $("colours").checked = values.colours === "kept";
  for (const [name, s] of Object.entries(all)) if (Number.isFinite(Number(values[name] || NaN))) s.value = Number(values[name]);
}
apply(state.given);
$("reset").addEventListener("click", () => state.reset(["picture", "style"]));

pictures = await gallery($("gallery"), (chosen) => {
  picture = chosen;
  $("download").hidden = true;
  view.original(chosen);
  if (chosen.width * chosen.height > 1e6) drag();
  release();
}, { state: view.state, begin: state.given.picture });
await pictures.start();
