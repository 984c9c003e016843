import { address } from "./address.js";
import { choosing } from "./choose.js";
import { $, ask, belongs, copyBox, done, el, facts, Latest, loaded, number, problem, quoted, result, save, Visited, whole } from "./common.js";
import { receive } from "./files.js";
import { plot } from "./plot.js";
import { reach } from "./reach.js";
import { slider } from "./slider.js";

const info = await facts("model");
const work = new Latest();
const visited = new Visited($("replaces"), info.replaces);
const copy = copyBox($("copy"));
const controls = {};
$("name").textContent = info.model;
/** What is known of the model. */
function about() {
  $("about").textContent = [
    info.task ? `Task ${info.task}:` : "A network trained in a loop of your own:", `${whole(info.weights)} weights,`,
    `${(info.size / 1e6).toFixed(1)} MB${info.steps ? `, ${whole(info.steps)} steps` : ""}.`,
    info.running ? "Training goes on: this is the best state so far, and a newer one is shown by itself." : "",
  ].join(" ");
}
about();

for (const p of info.parameters) {
  if (p.scale === "choice") choice(p);
  else if (p.scale === "simplex") simplex(p);
  else {
    const s = slider($("sliders"), {
      id: p.name, label: p.label, low: p.low, high: p.high, value: Number(p.value.toPrecision(3)), scale: p.scale, moved: () => drag(), set: () => release(),
    });
    controls[p.name] = { get: () => s.value, set: (point) => { if (p.name in point) s.value = Number(point[p.name]); } };
  }
}

/** One of several options. */
function choice(p) {
  const select = el("select", { id: `choice-${p.name}`, onchange: () => release() }, ...p.options.map((o) => el("option", { value: o }, o)));
  $("sliders").append(el("p", {}, el("label", { for: `choice-${p.name}` }, `${p.label} `), select));
  controls[p.name] = {
    get: () => select.value,
    set: (point) => {
      if (p.options.includes(point[p.name])) { select.value = point[p.name]; return; }
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
    set: (point) => p.options.forEach((term, i) => { if (term in point) { values[i] = Number(point[term]); sliders[i].value = values[i]; } }),
  };
}

const curve = info.curve;
const [first, second] = curve ? (curve.terms.length > 1 ? [curve.terms[1], curve.terms[0]] : [null, curve.terms[0] ?? "loss"]) : [];
const unit = (name) => (curve.units[name] ? `${name}, ${curve.units[name]}` : name);
const xs = curve && (first ? curve.series[first] : curve.points.map((p) => p[curve.parameters[0]]));
const line = curve?.parameters.length === 1;
const better = (name) => (name ? curve.directions[name] ?? "lower" : "");
const words = (point) => Object.entries(point).map(([n, v]) => `${n} ${number(v)}`).join(", ");
let chart = null;
let shown = null; // the picture: its address, and its name as a file
function draw() {
  if (!curve) {
    $("plot").replaceChildren(el("p", { class: "note" }, info.task
      ? "This file has no trade-off curve yet; yoto sweep measures one."
      : "This file has no trade-off curve. Give it one: curve = yoto.sweep(model, loader, terms); yoto.save(model, file, curve=curve)."));
    return;
  }
  chart = plot($("plot"), {
    x: xs, y: curve.series[second], xLabel: first ? unit(first) : curve.parameters[0], yLabel: unit(second), line, xBetter: better(first), yBetter: better(second),
    title: `The trade-off of this one network${curve.images ? `, mean of ${whole(curve.images)} examples` : ""}${curve.split ? ` (${curve.split})` : ""}. Click a point to go there.`,
    at: (i) => words(curve.points[i]),
    pick: (i) => { for (const c of Object.values(controls)) c.set(curve.points[i]); release(); },
  });
  const names = Object.keys(curve.series).filter((name) => name !== "loss" || curve.terms.length < 2);
  if (names.length < 2) return;
  const terms = names.map((name) => ({ name, axis: name === first ? "x" : name === second ? "y" : null, unit: curve.units[name] ?? "", better: better(name) }));
  if (!line) {
    reach($("reach"), {
      terms, series: curve.series, points: curve.points, say: words, chart, go: (point) => { for (const c of Object.values(controls)) c.set(point); release(); },
    });
    return;
  }
  const [parameter] = curve.parameters;
  const rising = [...curve.points.keys()].sort((a, b) => curve.points[a][parameter] - curve.points[b][parameter]);
  const sorted = Object.fromEntries(names.map((name) => [name, rising.map((i) => curve.series[name][i])]));
  reach($("reach"), {
    terms, series: sorted, order: rising, along: rising.map((i) => curve.points[i][parameter]), log: info.parameters[0].scale === "log",
    say: (v) => `${parameter} ${number(v)}`, chart, go: (v) => { controls[parameter].set({ [parameter]: v }); release(); },
  });
}
draw();

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
  const at = (name) => {
    const values = name ? curve.series[name] : xs;
    return values[a] + share * (values[b] - values[a]);
  };
  return { at, place: [at(first), at(second)] };
}

const setting = () => Object.fromEntries(Object.entries(controls).map(([name, c]) => [name, c.get()]));
const flat = (values) => Object.entries(values).flatMap(([n, v]) => (typeof v === "object" ? Object.entries(v) : [[n, v]]));

/** What the curve says at a setting, where there is one. */
function tell(values) {
  if (!chart) return;
  const { at, place } = position(values);
  chart.move(...place, false, flat(values).map(([n, v]) => `${n} ${typeof v === "string" ? v : number(v)}`).join(", "));
  const names = Object.keys(curve.series).filter((name) => name !== "loss").slice(0, 6);
  $("values").textContent = `${line ? "Along the curve" : "Near"}, at this setting: ${names.map((name) => `${name} ≈ ${number(at(name))}${curve.units[name] ? ` ${curve.units[name]}` : ""}`).join(", ")}.`;
}

async function show(final) {
  const values = setting();
  if (info.drawn) {
    const found = await ask("api/model/picture", { values });
    if (found.drawn) {
      const url = await result(found);
      const image = await loaded(url);
      const at = flat(values).map(([n, v]) => `${n}-${typeof v === "string" ? v : number(v)}`);
      shown = { url, name: [info.model.split("/").at(-1), ...at].join("-") };
      image.alt = `What the network does at ${Object.entries(found.weights).map(([n, v]) => `${n} ${number(v)}`).join(", ")}`;
      $("output").replaceChildren(image);
      $("png").hidden = false;
    } else {
      info.drawn = false;
    }
  }
  if (!info.drawn && !$("output").childElementCount) {
    $("output").replaceChildren(el("p", {}, info.task ? "This model's task draws no picture. Sliders, curve and code work all the same."
      : "A network of your own draws no picture here. Sliders, curve and code work all the same."));
  }
  problem("");
  tell(values);
  belongs(values, "output", "plot", "values");
  if (!final) return;
  visited.add(values);
  copy(texts(flat(values)));
  state.save();
  done();
}

/** A point, column by column, as the server takes settings. */
const nested = (point) => Object.fromEntries(info.parameters.map((p) => [p.name,
  p.scale === "choice" ? p.options.reduce((a, b) => ((point[`${p.name}:${b}`] ?? 0) > (point[`${p.name}:${a}`] ?? 0) ? b : a))
    : p.scale === "simplex" ? Object.fromEntries(p.options.map((term) => [term, point[term]])) : point[p.name]]));
if (info.drawn) {
  choosing($("choose"), {
    page: "model", what: info.parameters.map((p) => p.label).join(", "), say: words,
    take: (point) => { for (const c of Object.values(controls)) c.set(point); release(); },
    async picture(point) {
      const found = await ask("api/model/picture", { values: nested(point) });
      if (!found.drawn) throw new Error("This model's task draws no picture to choose by.");
      return result(found);
    },
  });
}

/** The setting as Python and, where the model's file names a task, as a command. */
function texts(values) {
  const python = values.map(([n, v]) => `${n}=${typeof v === "string" ? `"${v}"` : number(v, 6)}`).join(", ");
  if (!info.task) {
    return { python: `import yoto\n\n# net: the plain network that the model was made from, as you build it\nmodel = yoto.load(${JSON.stringify(info.load)}, net=net).conditional\nplain = model.bake(${python})` };
  }
  return {
    python: `import yoto\n\nmodel = yoto.load(${JSON.stringify(info.load)}).conditional\nplain = model.bake(${python})`,
    shell: `yoto export ${quoted(info.load)} -o plain.safetensors --format safetensors ${values.map(([n, v]) => `--at ${quoted(`${n}=${typeof v === "string" ? v : number(v, 6)}`)}`).join(" ")}`,
  };
}
const drag = () => work.run(() => show(false));
const release = () => work.run(() => show(true));

$("png").addEventListener("click", () => save(`${shown.name}.png`, shown.url));
const state = address(
  () => Object.fromEntries(flat(setting()).map(([n, v]) => [n, typeof v === "string" ? v : number(v, 4)])),
  (values) => { for (const c of Object.values(controls)) c.set(values); release(); },
);
if (Object.keys(state.given).length) for (const c of Object.values(controls)) c.set(state.given);
$("reset").addEventListener("click", () => state.reset());
receive();
release();

/** Of a run that is not finished: look for a newer state now and then. */
async function watch() {
  while (info.running) {
    await new Promise((wait) => setTimeout(wait, 1000 * info.running));
    const { stamp, running } = await ask("api/model/state");
    if (stamp !== info.stamp) location.reload();
    info.running = running;
    about();
  }
}
watch();
