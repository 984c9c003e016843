import { $, ask, between, copyBox, done, el, facts, Latest, loaded, number, problem, Visited, whole } from "./common.js";
import { gallery } from "./gallery.js";
import { plot } from "./plot.js";
import { slider } from "./slider.js";
import { viewer } from "./viewer.js";

const info = await facts("compression");
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
  moved: (value) => work.run((stale) => code({ quality: value }, true, stale)),
  set: (value) => work.run((stale) => code({ quality: value }, false, stale)),
});

/** Code the picture to a target and show what came out. */
async function code(target, preview, stale) {
  const current = picture;
  if (!current) return;
  const found = await ask("api/compression/encode", { picture: current.id, target, preview }, (said) => view.state(said, true));
  if (current !== picture) return;
  const url = `api/results/${found.id}.png`;
  await loaded(url);
  if (current !== picture) return;
  view.state("coding", true);
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
  done();
  for (const kind of ["JPEG", "WebP"]) {
    let row = "not made";
    if (!stale()) {
      try {
        const other = await ask("api/compression/classic", { picture: current.id, kind, size: found.bytes });
        row = { ...other, url: `api/results/${other.id}.png` };
      } catch (error) {
        row = error.message;
      }
    }
    if (current !== picture || rows.yoto?.id !== found.id) return;
    rows[kind] = row;
    table(document.activeElement?.closest("#figures [data-kind]")?.dataset.kind);
  }
}

/** The figures of the files side by side; those still to come have their place already, so that nothing moves. */
function table(focus = "") {
  $("figures").replaceChildren(...Object.entries(rows).map(([kind, row]) => {
    if (!row || typeof row === "string") {
      return el("tr", { "data-kind": kind }, el("td", {}, kind), el("td", { colspan: 4 }, row ?? "…"));
    }
    const size = row.fits === false ? "its smallest file" : "at most as large";
    const name = kind === "yoto" ? "decoded" : `${kind}, ${size}`;
    return el("tr", { class: kind === "yoto" ? "own" : "", "data-kind": kind },
      el("td", {}, kind + (row.fits === false ? " (smallest)" : "")),
      el("td", {}, whole(row.bytes)), el("td", {}, row.bpp.toFixed(3)), el("td", {}, row.psnr.toFixed(2)),
      el("td", {}, el("button", {
        type: "button", "aria-pressed": String(shown === kind), "aria-label": `Show the ${kind} picture`,
        onclick: () => { shown = kind; view.show(row.url, name); table(kind); },
      }, "show")));
  }));
  if (focus) $("figures").querySelector(`[data-kind=${focus}] button`)?.focus();
}

$("target").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = Number($("target-value").value);
  if (value > 0) work.run((stale) => code({ [$("target-kind").value]: value }, false, stale));
});

$("decode").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  if (!file) return;
  const before = picture;
  try {
    view.state("decoding", true);
    const found = await ask("api/compression/decode", file, (said) => view.state(said, true));
    const url = `api/results/${found.id}.png`;
    await loaded(url);
    if (picture !== before) return; // another one was chosen meanwhile
    choose(null);
    view.original(url, found.width, found.height, "from the file");
    $("decoded").textContent = `${file.name}: ${found.width}×${found.height} pixels at quality ${number(found.quality)}, ` +
      `${whole(found.bytes)} bytes, ${found.bpp.toFixed(3)} bits per pixel. Choose a picture to code another.`;
    done();
  } catch (error) {
    problem(error.message);
  } finally {
    view.state("");
  }
});

/** Work on another picture, or on none: one from a file has no original to code. */
function choose(chosen) {
  picture = chosen;
  rows = {};
  table();
  chart.clear();
  $("download").hidden = true;
  for (const input of document.querySelectorAll("#quality input, #target input, #target select, #target button")) input.disabled = !chosen;
  if (!chosen) unchoose();
}

const weight = info.range.low * (info.range.high / info.range.low) ** 0.5;
chart.move(between(info.curve.points.map((p) => p.distortion), info.curve.series.rate, weight),
  between(info.curve.points.map((p) => p.distortion), info.curve.series.psnr, weight));
const unchoose = await gallery($("gallery"), $("viewer"), (chosen) => {
  choose(chosen);
  $("decoded").textContent = "";
  view.original(chosen.url, chosen.width, chosen.height);
  work.run((stale) => code({ quality: quality.value }, false, stale));
}, view.state);
