import { $, ask, between, copyBox, done, facts, Latest, number, problem, Visited, whole } from "./common.js";
import { plot } from "./plot.js";
import { slider } from "./slider.js";

const info = await facts("lines");
const work = new Latest();
const visited = new Visited($("replaces"), info.replaces);
const copy = copyBox($("copy"));
const text = (values) => values.map((v) => number(v, 3)).join(", ");

const { low, high, scale, value } = info.roughness;
const weight = slider($("roughness"), {
  id: "roughness", label: "weight of the roughness", low, high, scale, value: Number(value.toPrecision(3)), moved: () => run(), set: () => run(true),
});
const { points, series, images } = info.curve;
const chart = plot($("plot"), {
  x: series.roughness, y: series.fit, xLabel: "roughness", yLabel: "fit",
  title: `The trade-off of this one network, mean of ${whole(images)} lines. Click a point to go there.`,
  pick: (i) => { weight.value = points[i].roughness; run(true); },
});

/** Show the line at the slider's weight; `final`: the slider was let go. */
async function show(final) {
  const roughness = weight.value;
  const { values } = await ask("api/lines/smooth", { values: info.line, roughness });
  problem("");
  $("before").value = text(info.line);
  $("after").value = text(values);
  const weights = points.map((p) => p.roughness);
  chart.move(between(weights, series.roughness, roughness), between(weights, series.fit, roughness));
  if (!final) return;
  visited.add(roughness);
  const w = number(roughness, 6);
  copy({
    python: `import torch\nimport yoto\n\nplain = yoto.load("${info.model}").conditional.bake(roughness=${w})\ny = plain(torch.tensor([[${text(info.line)}]]))`,
    shell: `yoto line --roughness ${w} -- ${info.line.join(",")}`,
  });
  done();
}
const run = (final = false) => work.run(() => show(final));
run(true);
