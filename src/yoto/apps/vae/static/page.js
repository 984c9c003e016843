import { $, ask, between, copyBox, done, el, facts, isStatic, Latest, loaded, number, problem, Visited, whole } from "./common.js";
import { plot } from "./plot.js";
import { slider } from "./slider.js";

const info = await facts("vae");
const work = new Latest();
const copy = copyBox($("copy"));
const engine = isStatic ? await (await import("./browser.js")).autoencoder(info) : null;
let [model, beta, chart, visited] = [null, null, null, null];
let [seed, traverse, own] = [0, 0, null];

$("model").append(...info.models.map((m) => el("option", { value: m.model }, `${m.model} (${m.data})`)));
$("model").addEventListener("change", () => choose($("model").value));

/** Set the page to a model. */
function choose(name) {
  model = info.models.find((m) => m.model === name);
  traverse = 0;
  $("beta").replaceChildren();
  beta = slider($("beta"), {
    id: "beta", label: "β, weight of the KL term", scale: "log", low: model.beta.low, high: model.beta.high, value: Number(model.beta.value.toPrecision(3)),
    moved: () => run(), set: () => run(true),
  });
  const { series, points, images, units } = model.curve;
  chart = plot($("plot"), {
    x: series.kl, y: series.reconstruction, xLabel: `KL, ${units.kl ?? ""}`, yLabel: "reconstruction, nats",
    title: `The trade-off of this one network over β, mean of ${whole(images)} test images. Click a point to go there.`,
    pick: (i) => { beta.value = points[i].kl; run(true); },
  });
  visited = new Visited($("replaces"), model.replaces);
  run(true);
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
  type: "button", "aria-pressed": String(i === traverse), "aria-label": `Picture ${i + 1}`,
  onclick: () => { traverse = i; run(true); },
}, canvas);

async function show(final) {
  const current = model;
  const asked = { model: current.model, beta: beta.value, seed, picture: own, traverse };
  let [shown, strips] = [null, {}];
  if (engine) {
    ({ facts: shown, strips } = await engine(asked));
  } else {
    shown = await ask("api/vae/show", asked);
    if (current !== model) return;
    const names = Object.entries(shown.strips);
    const images = await Promise.all(names.map(([, id]) => loaded(`api/results/${id}.png`)));
    strips = Object.fromEntries(names.map(([name], i) => [name, images[i]]));
  }
  if (current !== model) return;
  problem("");
  for (const [name, image] of Object.entries(strips)) {
    tiles(name, image, name === "traversals" ? info.steps : info.count, name === "originals" ? choice : null);
  }
  $("originals").querySelectorAll("button").forEach((b, i) => b.setAttribute("aria-pressed", String(i === traverse)));
  const { series, points } = model.curve;
  const betas = points.map((p) => p.kl);
  chart.move(between(betas, series.kl, asked.beta), between(betas, series.reconstruction, asked.beta));
  $("facts").textContent = shown.psnr === undefined ? "" :
    `These pictures: ${shown.psnr.toFixed(1)} dB PSNR, ${number(shown.kl)} nats of KL, ${shown.active} of ${model.latents} latents in use.`;
  if (!final) return;
  visited.add([asked.model, asked.beta]);
  const b = number(asked.beta, 6);
  copy({
    python: `import torch\nimport yoto\n\nmodel = yoto.load("${current.model}").conditional\nplain = model.bake(kl=${b})\nlogits = plain.decode(torch.randn(12, ${current.latents}))`,
    shell: `yoto sample -o samples.png --model ${current.model} --beta ${b} -n ${info.count} --seed ${seed}`,
  });
  done();
}
const run = (final = false) => work.run(() => show(final));

$("again").addEventListener("click", () => { seed += 1; run(true); });
$("own").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  if (!file) return;
  try {
    const taken = engine ? await createImageBitmap(file) : (await ask("api/pictures", file)).id;
    own?.close?.();
    own = taken;
    traverse = 0;
    run(true);
  } catch (error) {
    problem(engine ? "This file should be a picture. The browser cannot read it." : error.message);
  }
});
choose(info.models[0].model);
