import { $, ask, between, copyBox, done, el, facts, isStatic, Latest, loaded, number, problem, Visited } from "./common.js";
import { gallery, LARGEST } from "./gallery.js";
import { plot } from "./plot.js";
import { slider } from "./slider.js";
import { viewer } from "./viewer.js";

const info = await facts("style");
const view = viewer($("viewer"), ["photograph", "painted"]);
let ready = !isStatic;
const work = new Latest((busy) => view.state(busy ? (ready ? "painting" : "fetching the network, 16 MB, once") : "", busy));
const visited = new Visited($("replaces"), info.replaces);
const copy = copyBox($("copy"));
const curve = info.curve;
const chart = curve && plot($("plot"), {
  x: curve.series.content, y: curve.series.style, xLabel: "content loss", yLabel: "style loss",
  title: `The trade-off over the strength, mean of ${curve.images} test photographs in the manner of ${curve.shown}. Click a point to go there.`,
  pick: (i) => { strength.value = Math.log(curve.points[i].style / info.weight.low) / Math.log(info.weight.high / info.weight.low); release(); },
});
const engine = isStatic ? await (await import("./browser.js")).painter(info) : null;
let picture = null;
let chosenStyle = (info.styles.find((style) => style.thumbnail) ?? info.styles[0]).name;

for (const style of info.styles) {
  const radio = el("input", {
    type: "radio", name: "style", value: style.name, class: "hidden", checked: style.name === chosenStyle,
    onchange: () => { chosenStyle = style.name; seconds(); release(); },
  });
  const about = [style.title, style.artist, style.date].filter(Boolean).join(", ");
  $("styles").append(el("label", { title: about || style.name }, radio,
    style.thumbnail ? el("img", { src: `api/styles/${style.name}.jpg`, alt: "" }) : el("i", { class: "blank" }, "no picture"),
    el("span", {}, style.name)));
}

const options = { moved: () => drag(), set: () => release() };
const mix = slider($("mix"), { ...options, id: "mix", label: "Share of the second style", low: 0, high: 1, value: 0.5, ends: ["none", "all"] });
const strength = slider($("strength"), {
  ...options, id: "strength", label: "Strength", low: 0, high: 1, value: info.strength, ends: ["photograph", "painting"],
});
const sliders = Object.fromEntries(info.sliders.map((s) => [s.name, slider($("sliders"), {
  ...options, id: s.name, label: s.name, low: s.low, high: s.high, value: Number(s.value.toPrecision(3)), scale: "log",
})]));
const second = $("second");
function seconds() {
  const before = second.value;
  second.replaceChildren(...info.styles.filter((s) => s.name !== chosenStyle).map((s) => el("option", { value: s.name }, s.name)));
  if ([...second.options].some((o) => o.value === before)) second.value = before;
}
seconds();
second.addEventListener("change", () => release());
$("blend").addEventListener("toggle", () => release());
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

async function paint(preview) {
  const [current, asked] = [picture, setting()];
  let [url, made] = ["", {}];
  if (engine) {
    ({ url, facts: made } = await engine({ picture: current, ...asked, preview }));
    ready = true;
  } else {
    made = await ask("api/style/paint", { picture: current.id, ...asked, preview }, (said) => view.state(said, true));
    url = `api/results/${made.id}.png`;
  }
  if (current !== picture) return;
  await loaded(url);
  if (current !== picture) return;
  view.show(url, preview ? "painted (preview)" : "painted");
  const weight = info.weight.low * (info.weight.high / info.weight.low) ** asked.strength;
  if (chart) {
    const weights = curve.points.map((p) => p.style);
    chart.move(between(weights, curve.series.content, weight), between(weights, curve.series.style, weight));
  }
  if (preview) return;
  problem("");
  const link = $("download");
  link.href = url;
  link.download = `${Object.keys(asked.style).join("-")}.png`;
  link.hidden = false;
  $("facts").textContent = `${made.width}×${made.height} pixels, total style weight ${number(weight)}.`;
  visited.add(asked);
  const layers = Object.entries(asked.layers).filter(([, value]) => value !== 1);
  const styles = Object.entries(asked.style).map(([name, value]) => [name, number(value, 6)]);
  const named = styles.length === 1 ? `"${styles[0][0]}"` : `{${styles.map(([n, v]) => `"${n}": ${v}`).join(", ")}}`;
  const more = [
    ...(layers.length ? [`layers={${layers.map(([n, v]) => `"${n}": ${number(v, 6)}`).join(", ")}}`] : []),
    `smoothness=${number(asked.smoothness, 6)}`,
    ...(asked.keep_colours ? ["keep_colours=True"] : []),
  ];
  copy({
    python: `from PIL import Image\nfrom yoto import stylize\n\npainter = stylize.load("${info.model}")\npixels = painter(Image.open("photo.jpg"), ${named}, strength=${number(asked.strength, 6)}, ${more.join(", ")})\nImage.fromarray(pixels).save("out.png")`,
    shell: ["yoto stylize photo.jpg -o out.png", `--style ${styles.length === 1 ? styles[0][0] : styles.map((s) => s.join(":")).join(",")}`,
      `--strength ${number(asked.strength, 6)}`, ...layers.map(([n, v]) => `--layer ${n}=${number(v, 6)}`),
      `--smoothness ${number(asked.smoothness, 6)}`, ...(asked.keep_colours ? ["--keep-colours"] : [])].join(" "),
  });
  done();
}
const drag = () => picture && work.run(() => paint(true));
const release = () => picture && work.run(() => paint(false));

if (isStatic) $("download").textContent = `Download (at most ${LARGEST} pixels wide and high)`;
await gallery($("gallery"), $("viewer"), (chosen) => {
  picture = chosen;
  $("download").hidden = true;
  view.original(chosen.url, chosen.width, chosen.height);
  release();
}, view.state);
