import { $, ask, copyBox, done, el, facts, Latest, loaded, number, problem, quoted, Visited, whole } from "./common.js";
import { plot } from "./plot.js";
import { slider } from "./slider.js";

const info = await facts("model");
const work = new Latest((busy) => $("output").classList.toggle("busy", busy));
const visited = new Visited($("replaces"), info.replaces);
const copy = copyBox($("copy"));
const controls = {};
$("name").textContent = info.model;
$("about").textContent = [
  info.task ? `Task ${info.task}.` : "A network of your own.", `${whole(info.weights)} weights,`,
  `${(info.size / 1e6).toFixed(1)} MB,`, info.steps ? `${whole(info.steps)} steps.` : "trained in a loop of your own.",
].join(" ");

for (const p of info.parameters) {
  if (p.scale === "choice") choice(p);
  else if (p.scale === "simplex") simplex(p);
  else {
    const s = slider($("sliders"), {
      id: p.name, label: p.label, low: p.low, high: p.high, value: Number(p.value.toPrecision(3)), scale: p.scale, moved: () => drag(), set: () => release(),
    });
    controls[p.name] = { get: () => s.value, set: (point) => { if (p.name in point) s.value = point[p.name]; } };
  }
}

/** One of several options. */
function choice(p) {
  const select = el("select", { id: `choice-${p.name}`, onchange: () => release() }, ...p.options.map((o) => el("option", { value: o }, o)));
  $("sliders").append(el("p", {}, el("label", { for: `choice-${p.name}` }, `${p.label} `), select));
  controls[p.name] = {
    get: () => select.value,
    set: (point) => {
      const most = p.options.reduce((a, b) => ((point[`${p.name}:${b}`] ?? 0) > (point[`${p.name}:${a}`] ?? 0) ? b : a));
      select.value = most;
    },
  };
}

/** Weights with the sum 1: a slider per term, the others share the rest as before. */
function simplex(p) {
  const values = [...p.value];
  const place = el("fieldset", {}, el("legend", {}, `${p.label}: weights with the sum 1`));
  $("sliders").append(place);
  const sliders = p.options.map((term, i) => slider(place, {
    id: term, label: term, low: 0, high: 1, value: values[i], digits: 4, ends: ["0", "1"], moved: (v) => { balance(i, v); drag(); }, set: (v) => { balance(i, v); sliders[i].value = values[i]; release(); },
  }));
  function balance(i, value) {
    const others = values.length - 1;
    const next = Math.min(1 - p.low * others, Math.max(p.low, value));
    const spare = Math.max(0, 1 - next - p.low * others);
    const above = values.map((v, j) => (j === i ? 0 : Math.max(0, v - p.low)));
    const sum = above.reduce((a, b) => a + b, 0);
    values.forEach((_, j) => {
      values[j] = j === i ? next : p.low + spare * (sum > 1e-6 ? above[j] / sum : 1 / others);
      if (j !== i) sliders[j].value = values[j];
    });
  }
  controls[p.name] = {
    get: () => Object.fromEntries(p.options.map((term, i) => [term, values[i]])),
    set: (point) => p.options.forEach((term, i) => { if (term in point) { values[i] = point[term]; sliders[i].value = values[i]; } }),
  };
}

const curve = info.curve;
let chart = null;
if (curve) {
  const [first, second] = curve.terms.length > 1 ? curve.terms : [null, curve.terms[0] ?? "loss"];
  const unit = (name) => (curve.units[name] ? `${name}, ${curve.units[name]}` : name);
  const x = first ? curve.series[first] : curve.points.map((p) => p[curve.parameters[0]]);
  const line = curve.parameters.length === 1;
  chart = plot($("plot"), {
    x, y: curve.series[second], xLabel: first ? unit(first) : curve.parameters[0], yLabel: unit(second), line,
    title: "The trade-off of this one network on held-out data. Click a point to go there.",
    pick: (i) => { for (const c of Object.values(controls)) c.set(curve.points[i]); release(); },
  });
} else {
  $("plot").textContent = "This file has no trade-off curve; yoto sweep measures one.";
}

/** Where on the curve a setting lies: between the two points next to it, along one parameter; else the nearest. */
function position(values) {
  const flat = {};
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === "string") flat[`${name}:${value}`] = 1;
    else if (typeof value === "object") Object.assign(flat, value);
    else flat[name] = value;
  }
  const log = (name) => info.parameters.find((p) => p.name === name)?.scale === "log";
  const coordinate = (name, v) => (log(name) ? Math.log(v) : v);
  const spans = Object.fromEntries(curve.parameters.map((name) => {
    const all = curve.points.map((p) => coordinate(name, p[name]));
    return [name, Math.max(...all) - Math.min(...all) || 1];
  }));
  const distance = (p) => Math.hypot(...curve.parameters.map((name) => (coordinate(name, p[name]) - coordinate(name, flat[name] ?? 0)) / spans[name]));
  const near = curve.points.map((p, i) => [distance(p), i]).sort((a, b) => a[0] - b[0]).slice(0, 2);
  const [[d1, a], [d2, b]] = near.length > 1 ? near : [near[0], near[0]];
  const share = d1 + d2 > 0 ? d1 / (d1 + d2) : 0;
  const at = (name, i) => (name ? curve.series[name][i] : curve.points[i][curve.parameters[0]]);
  const [first, second] = curve.terms.length > 1 ? curve.terms : [null, curve.terms[0] ?? "loss"];
  return [first, second].map((name) => at(name, a) + share * (at(name, b) - at(name, a)));
}

const setting = () => Object.fromEntries(Object.entries(controls).map(([name, c]) => [name, c.get()]));

async function show(final) {
  const values = setting();
  const found = await ask("api/model/picture", { values });
  if (found.drawn) {
    const image = await loaded(`api/results/${found.id}.png`);
    image.alt = `What the network does at ${Object.entries(found.weights).map(([n, v]) => `${n} ${number(v)}`).join(", ")}`;
    $("output").replaceChildren(image);
  } else {
    $("output").replaceChildren(el("p", {}, "This model's task draws no picture. The curve and the setting beside it work all the same."));
  }
  problem("");
  if (chart) chart.move(...position(values));
  if (!final) return;
  visited.add(values);
  const flat = Object.entries(values).flatMap(([n, v]) => (typeof v === "object" ? Object.entries(v) : [[n, v]]));
  const python = flat.map(([n, v]) => `${n}=${typeof v === "string" ? `"${v}"` : number(v, 6)}`).join(", ");
  copy({
    python: `import yoto\n\nmodel = yoto.load(${JSON.stringify(info.load)}).conditional\nplain = model.bake(${python})`,
    shell: `yoto export ${quoted(info.load)} -o plain.safetensors --format safetensors ${flat.map(([n, v]) => `--at ${quoted(`${n}=${typeof v === "string" ? v : number(v, 6)}`)}`).join(" ")}`,
  });
  done();
}
const drag = () => { if (chart) chart.move(...position(setting())); work.run(() => show(false)); };
const release = () => work.run(() => show(true));
release();
