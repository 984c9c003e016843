import { address } from "./address.js";
import { choosing } from "./choose.js";
import { $, ask, between, belongs, copyBox, done, el, facts, isStatic, Latest, loaded, number, problem, quoted, Visited, whole } from "./common.js";
import { receive } from "./files.js";
import { get, last, put } from "./keep.js";
import { plot } from "./plot.js";
import { reach } from "./reach.js";
import { slider } from "./slider.js";

const FLUENT = 100; // milliseconds that a preview may take before the rows of latents wait for the release
const info = await facts("vae");
const work = new Latest();
const copy = copyBox($("copy"));
const engine = isStatic ? await (await import("./browser.js")).autoencoder(info) : null;
let [model, beta, chart, visited, bounds] = [null, null, null, null, null];
let [seed, traverse, own] = [0, 0, null];
let took = 0;

$("model").append(...info.models.map((m) => el("option", { value: m.model }, m.model.endsWith(m.data) ? m.model : `${m.model} (${m.data})`)));
$("model").addEventListener("change", () => { choose($("model").value); run(true); });

/** Set the page to a model. */
function choose(name) {
  model = info.models.find((m) => m.model === name) ?? info.models[0];
  $("model").value = model.model;
  traverse = 0;
  $("beta").replaceChildren();
  beta = slider($("beta"), {
    id: "beta", label: "β, weight of KL", scale: "log", low: model.beta.low, high: model.beta.high, value: Number(model.beta.value.toPrecision(3)),
    about: "The loss is the reconstruction error plus β times the KL divergence. A higher β asks the latents to tell less.",
    moved: () => run(), set: () => run(true),
  });
  const { series, points, images, units } = model.curve;
  const unit = units.kl ?? "nats";
  chart = plot($("plot"), {
    x: series.kl, y: series.reconstruction, xLabel: `KL, ${unit}`, yLabel: "reconstruction error, nats", xBetter: "lower", yBetter: "lower",
    title: `The trade-off of this one network over β, mean of ${whole(images)} test images. Click a point to go there.`,
    at: (i) => `β ${number(points[i].kl)}`, pick: (i) => { beta.value = points[i].kl; run(true); },
  });
  bounds = reach($("reach"), {
    terms: [{ name: "reconstruction", axis: "y", unit: "nats" }, { name: "kl", label: "KL", axis: "x", unit }],
    series, along: points.map((p) => p.kl), say: (b) => `β ${number(b)}`, chart, go: (b) => { beta.value = b; run(true); },
  });
  visited = new Visited($("replaces"), model.replaces);
}

/** Cut a strip of pictures into tiles. */
function tiles(id, image, columns, each) {
  const side = model.side;
  const count = (image.width / side) * (image.height / side);
  const place = $(id);
  place.style.setProperty("--columns", columns);
  if (place.childElementCount !== count || place.dataset.model !== model.model) {
    place.dataset.model = model.model;
    place.replaceChildren(...Array.from({ length: count }, (_, i) => {
      const canvas = el("canvas", { width: side, height: side, class: side >= 64 ? "smooth" : "" });
      return each ? each(canvas, i) : canvas;
    }));
  }
  const across = image.width / side;
  place.querySelectorAll("canvas").forEach((canvas, i) => {
    canvas.width = canvas.height = side;
    canvas.getContext("2d").drawImage(image, (i % across) * side, Math.floor(i / across) * side, side, side, 0, 0, side, side);
  });
}

const choice = (canvas, i) => el("button", {
  type: "button", "aria-pressed": String(i === traverse), "aria-label": `Picture ${i + 1}`, tabindex: i === traverse ? 0 : -1,
  onclick: () => { traverse = i; run(true); },
}, canvas);
$("originals").addEventListener("keydown", (event) => {
  const found = [...$("originals").querySelectorAll("button")];
  const at = found.indexOf(document.activeElement);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: found.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  found[Math.min(found.length - 1, Math.max(0, to))].focus();
});

/** The strips at the present setting, by name; where the picture was given up, it is sent again. */
async function strips(asked) {
  try {
    const found = await ask("api/vae/show", asked);
    const names = Object.entries(found.strips);
    const images = await Promise.all(names.map(([, url]) => loaded(url)));
    return { facts: found, strips: Object.fromEntries(names.map(([name], i) => [name, images[i]])) };
  } catch (error) {
    if (error.status !== 404 || !own) throw error;
    own.id = (await ask("api/pictures", own.entry.blob)).id;
    return strips({ ...asked, picture: own.id });
  }
}

async function show(final) {
  const current = model;
  const asked = { model: current.model, beta: beta.value, seed, picture: engine ? own?.bitmap : own?.id ?? null, traverse };
  const begin = performance.now();
  const parts = final ? ["originals", "reconstructions", "samples", "traversals"] : ["reconstructions", "samples", ...(took < FLUENT ? ["traversals"] : [])];
  const found = engine ? await engine(asked) : await strips({ ...asked, parts });
  if (current !== model) return;
  took = 0.5 * took + 0.5 * (performance.now() - begin);
  problem("");
  for (const [name, image] of Object.entries(found.strips)) {
    tiles(name, image, name === "traversals" ? info.steps : info.count, name === "originals" ? choice : null);
  }
  $("traversals").classList.toggle("behind", !("traversals" in found.strips));
  $("originals").querySelectorAll("button").forEach((b, i) => {
    b.setAttribute("aria-pressed", String(i === traverse));
    b.tabIndex = i === traverse ? 0 : -1;
  });
  const { series, points } = model.curve;
  const betas = points.map((p) => p.kl);
  chart.move(between(betas, series.kl, asked.beta), between(betas, series.reconstruction, asked.beta), false, `β ${number(asked.beta)}`);
  const said = found.facts;
  $("facts").textContent = said.psnr === undefined ? "" :
    `At β ${number(asked.beta)}, these pictures: ${said.psnr.toFixed(1)} dB PSNR, ${number(said.kl)} nats of KL, ${said.active} of ${model.latents} latents in use.`;
  belongs(number(asked.beta), "pairs", "plot", "facts");
  if (!final) return;
  visited.add([asked.model, asked.beta]);
  $("owned").textContent = own ? `${own.entry.name} stands first: its middle, ${current.side}×${current.side} pixels${current.channels === 1 ? " in grey" : ""}. ` +
    `This network has learnt from ${current.data} alone: what it has never seen it draws as something that it knows.` : "";
  copy(texts(current, number(asked.beta, 6)));
  state.save();
  done();
}

/** The setting as Python and as commands: the samples, and the reconstruction of a picture of the user's. */
function texts({ model: name, latents, side, channels }, b) {
  const file = own?.entry.name;
  const strip = (images, to) => `strip = torch.cat([*${images}], dim=2).mul(255).round().byte()  # side by side\nImage.fromarray(strip.movedim(0, -1).squeeze(-1).numpy()).save("${to}")`;
  const copied = file ? `

photo = ImageOps.exif_transpose(Image.open(${JSON.stringify(file)}))
square = ImageOps.fit(photo, (${side}, ${side}), Image.Resampling.LANCZOS).convert("${channels === 1 ? "L" : "RGB"}")
image = torch.tensor(np.atleast_3d(square)).movedim(-1, 0)[None] / 255
with torch.no_grad():
    decoded = likelihood.reconstruct(plain, image)
${strip("decoded", "reconstruction.png")}` : "";
  return {
    python: `${file ? "import numpy as np\n" : ""}import torch
import yoto
from PIL import Image${file ? ", ImageOps" : ""}

found = yoto.load("${name}")
plain = found.conditional.bake(kl=${b})
likelihood = found.task.likelihood
z = torch.randn(${info.count}, ${latents}, generator=torch.Generator().manual_seed(${seed}))
with torch.no_grad():
    samples = likelihood.decode(plain, z)  # [${info.count}, ${channels}, ${side}, ${side}] in [0, 1]
${strip("samples", "samples.png")}${copied}`,
    shell: `yoto sample -o samples.png --model ${name} --beta ${b} -n ${info.count} --seed ${seed}` +
      (file ? `\nyoto reconstruct ${quoted(file)} -o reconstruction.png --model ${name} --beta ${b}` : ""),
  };
}

const SIX = 6; // pictures across when β is chosen by eye
choosing($("choose"), {
  page: "vae", what: "β", model: () => model.model, along: () => ({ name: "kl", ...model.beta }), say: (point) => `β ${number(point.kl)}`,
  take: (point) => { beta.value = point.kl; run(true); },
  async picture(point) {
    const parts = ["originals", "reconstructions", "samples"];
    const asked = { model: model.model, beta: point.kl, seed, traverse };
    const found = engine ? await engine({ ...asked, picture: own?.bitmap }) : await strips({ ...asked, picture: own?.id ?? null, parts });
    const side = model.side;
    const rows = parts.filter((name) => name in found.strips);
    const canvas = el("canvas", { width: SIX * side, height: rows.length * side });
    rows.forEach((name, i) => canvas.getContext("2d").drawImage(found.strips[name], 0, 0, SIX * side, side, 0, i * side, SIX * side, side));
    return canvas.toDataURL();
  },
});
const run = (final = false) => work.run(() => show(final));

$("again").addEventListener("click", () => { seed += 1; run(true); });
/** Take the user's picture out again. */
function without() {
  own = null;
  traverse = 0;
  $("without").hidden = true;
}
$("without").addEventListener("click", () => { without(); run(true); });
let earlier = null; // a picture that was opened on another page: it comes in where it is asked for
$("earlier").addEventListener("click", () => use(earlier));

/** Put a picture of the user's in the first place. */
async function take(file) {
  const entry = { key: `own-${Date.now().toString(36)}`, name: file.name, blob: file, at: Date.now() };
  await use(entry);
}
async function use(entry) {
  try {
    if (!entry.blob.size) throw new Error(`${entry.name} is empty. Choose another file.`);
    const next = { entry };
    if (engine) {
      next.bitmap = await createImageBitmap(entry.blob).catch(() => { throw new Error("This file should be a picture. The browser cannot read it."); });
    } else next.id = (await ask("api/pictures", entry.blob)).id;
    own?.bitmap?.close?.();
    own = next;
    last.key = entry.key;
    if (!entry.thumb) {
      const bitmap = next.bitmap ?? (await createImageBitmap(entry.blob).catch(() => null));
      if (bitmap) {
        const canvas = el("canvas", { width: 160, height: Math.max(1, Math.round((160 * bitmap.height) / bitmap.width)) });
        canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
        await put({ ...entry, thumb: canvas.toDataURL("image/webp", 0.8) });
      }
    }
    traverse = Number(state.given.own === entry.key && state.given.picture) || 0;
    $("without").hidden = false;
    $("earlier").hidden = true;
    return run(true);
  } catch (error) {
    problem(error.message);
  }
}
$("own").addEventListener("change", (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  if (file) take(file);
});

choose(info.models[0].model);
const state = address(
  () => ({ model: model.model, beta: number(beta.value, 4), seed, picture: traverse, own: own?.entry.key ?? "" }),
  async (values) => {
    const other = values.own && values.own !== own?.entry.key && (await get(values.own));
    if (!values.own) without();
    apply(values);
    if (other) use(other);
    else run(true);
  },
);
function apply(values) {
  if (values.model && values.model !== model.model) choose(values.model);
  if (Number(values.beta)) beta.value = Number(values.beta);
  seed = Number(values.seed) || 0;
  traverse = Number(values.picture) || 0;
}
apply(state.given);
$("reset").addEventListener("click", () => state.reset(["model", "own"]));
const files = receive({ "image/*": take });
const left = await files.left();
const before = await get(state.given.own || last.key || "");
if (before && !state.given.own) {
  earlier = before;
  $("earlier").textContent = `or ${before.name}`;
  $("earlier").hidden = false;
}
if (left) files.open(left);
else if (before && state.given.own) use(before);
else run(true);
