import { $, Latest, Visited, ask, between, copyBox, el, loaded, number, problem, whole } from "./common.js";
import { gallery } from "./gallery.js";
import { plot } from "./plot.js";
import { slider } from "./slider.js";
import { viewer } from "./viewer.js";

const info = await (await fetch("api/compression.json")).json();
const view = viewer($("viewer"), ["original", "decoded"]);
const work = new Latest((busy) => view.state(busy ? "coding" : "", busy));
const visited = new Visited($("replaces"), info.replaces);
const copy = copyBox($("copy"));
const chart = plot($("plot"), {
  x: info.curve.series.rate, y: info.curve.series.psnr, xLabel: "bits per pixel", yLabel: "PSNR, dB",
  title: `The trade-off of this one network. Line: mean of ${info.curve.images} test photographs; dots: this picture.`,
});
let picture = null;
let shown = "yoto";
let rows = {};

const quality = slider($("quality"), {
  id: "quality", label: "Quality", low: 0, high: 100, value: info.quality, ends: ["small file", "faithful picture"],
  moved: (value) => picture && work.run((stale) => code({ quality: value }, true, stale)),
  set: (value) => picture && work.run((stale) => code({ quality: value }, false, stale)),
});

/** Code the picture to a target and show what came out. */
async function code(target, preview, stale) {
  const current = picture;
  const found = await ask("api/compression/encode", { picture: current.id, target, preview }, (said) => view.state(said, true));
  if (current !== picture || (preview && stale())) return;
  const url = `api/results/${found.id}.png`;
  await loaded(url);
  if (preview) {
    view.show(url, "decoded (preview)");
    return;
  }
  problem("");
  if (!("quality" in target)) quality.value = Math.round(10 * found.quality) / 10;
  rows = { yoto: { ...found, url }, JPEG: null, WebP: null };
  shown = "yoto";
  view.show(url, "decoded");
  const link = $("download");
  link.href = `api/results/${found.id}.yoto`;
  link.download = "picture.yoto";
  link.hidden = false;
  $("decoded").textContent = "";
  chart.move(found.bpp, found.psnr, true);
  visited.add(Math.round(found.quality * 2.55));
  const q = number(found.quality, 4);
  copy({
    python: `from pathlib import Path\n\nfrom PIL import Image\nfrom yoto import codec\n\ndata = codec.compress(Image.open("photo.jpg"), quality=${q})\nPath("photo.yoto").write_bytes(data)`,
    shell: `yoto compress photo.jpg -o photo.yoto --quality ${q}`,
  });
  table();
  document.documentElement.dataset.done = String(Number(document.documentElement.dataset.done ?? 0) + 1);
  for (const kind of ["JPEG", "WebP"]) {
    if (stale()) return;
    const other = await ask("api/compression/classic", { picture: current.id, kind, size: found.bytes });
    if (current !== picture || rows.yoto?.id !== found.id) return;
    rows[kind] = { ...other, url: `api/results/${other.id}.png` };
    table();
  }
}

/** The figures of the files side by side; those still to come have their place already, so that nothing moves. */
function table(focus = "") {
  const names = { yoto: "yoto", JPEG: "JPEG", WebP: "WebP" };
  $("figures").replaceChildren(...Object.entries(rows).map(([kind, row]) => (!row
    ? el("tr", { "data-kind": kind }, el("td", {}, names[kind]), el("td", { colspan: 4 }, "…"))
    : el("tr", { class: kind === "yoto" ? "own" : "", "data-kind": kind },
      el("td", { title: row.fits === false ? "its smallest file" : "" }, names[kind] + (row.fits === false ? " (smallest)" : "")),
      el("td", {}, whole(row.bytes)), el("td", {}, row.bpp.toFixed(3)), el("td", {}, row.psnr.toFixed(2)),
      el("td", {}, el("button", {
        type: "button", "aria-pressed": String(shown === kind), "aria-label": `Show the ${names[kind]} picture`,
        onclick: () => { shown = kind; view.show(row.url, kind === "yoto" ? "decoded" : `${names[kind]}, same size`); table(kind); },
      }, "show"))))));
  if (focus) $("figures").querySelector(`[data-kind=${focus}] button`).focus();
}

$("target").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = Number($("target-value").value);
  if (!picture || !(value > 0)) return;
  work.run((stale) => code({ [$("target-kind").value]: value }, false, stale));
});

$("decode").addEventListener("change", (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  if (!file) return;
  work.run(async () => {
    const found = await ask("api/compression/decode", file);
    const url = `api/results/${found.id}.png`;
    await loaded(url);
    picture = null;
    rows = {};
    table();
    view.original(url, found.width, found.height);
    view.show(url, "decoded");
    $("download").hidden = true;
    $("decoded").textContent = `${file.name}: ${found.width}×${found.height} pixels at quality ${number(found.quality)}, ` +
      `${whole(found.bytes)} bytes, ${found.bpp.toFixed(3)} bits per pixel.`;
    document.documentElement.dataset.done = String(Number(document.documentElement.dataset.done ?? 0) + 1);
  });
});

const weight = info.range.low * (info.range.high / info.range.low) ** 0.5;
chart.move(between(info.curve.points.map((p) => p.distortion), info.curve.series.rate, weight),
  between(info.curve.points.map((p) => p.distortion), info.curve.series.psnr, weight));
await gallery($("gallery"), $("viewer"), (chosen) => {
  picture = chosen;
  rows = {};
  chart.clear();
  view.original(chosen.url, chosen.width, chosen.height);
  work.run((stale) => code({ quality: quality.value }, false, stale));
});
