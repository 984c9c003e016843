import { address } from "./address.js";
import { $, ask, between, belongs, copyBox, done, el, facts, fetched, Latest, loaded, local, number, problem, quoted, result, save, Visited, whole } from "./common.js";
import { stem } from "./files.js";
import { gallery } from "./gallery.js";
import { Knots } from "./knots.js";
import { plot } from "./plot.js";
import { slider, typed } from "./slider.js";
import { viewer } from "./viewer.js";

const info = await facts("compression");
const view = viewer($("viewer"), ["original", "decoded"]);
const work = new Latest((busy) => view.state(busy ? "coding" : "", busy));
const visited = new Visited($("replaces"), info.replaces);
const copy = copyBox($("copy"));
const mean = `The trade-off of this one network. Line: mean of ${info.curve.images} test photographs; dots: this picture.`;
const overall = { x: info.curve.series.rate, y: info.curve.series.psnr, title: mean };
const chart = plot($("plot"), {
  ...overall, xLabel: "file, bits per pixel", yLabel: "PSNR, dB", xBetter: "lower", yBetter: "higher",
});
const LARGE = 1e6; // pixels of a picture that takes a while to code: a preview comes first
const KINDS = ["JPEG", "WebP", "AVIF"];
let picture = null;
let pictures = null;
let shown = "yoto";
let rows = {};
let side = info.preview; // of previews: as large as this machine shows fluently
let knots = null; // figures of the whole picture at a few qualities, for estimates
let searching = null; // the files of other formats that are being made

const quality = slider($("quality"), {
  id: "quality", label: "Quality", low: 0, high: 100, value: info.quality, ends: ["small file", "faithful picture"],
  about: "The position between the two ends of the trade-off: 0 writes the smallest file, 100 the most faithful picture.",
  moved: (value) => { stop(); work.run(() => preview(value)); },
  set: (value) => final({ quality: value }),
});
const final = (target, make = code) => { stop(); return work.run((_, signal) => make(target, signal), true); };
const stop = () => searching?.abort();

/** The picture at a quality, small; its figures are estimates for the whole picture. */
async function preview(value) {
  const current = picture;
  if (!current) return;
  const begin = performance.now();
  const found = await pictures.ask("api/compression/encode", { target: { quality: value }, preview: true, side }, (said) => view.state(said, true));
  if (current !== picture) return;
  await loaded(found.inline);
  if (current !== picture) return;
  const took = performance.now() - begin;
  side = Math.round(Math.min(info.preview, Math.max(info.preview / 2, side * (took > 140 ? 0.85 : took < 90 ? 1.1 : 1))));
  const guess = knots?.at(value);
  shown = "yoto";
  rows = { yoto: guess ? { ...guess, estimate: true } : { waiting: true } };
  view.show(found.inline, `decoded, quality ${number(value)} (preview)`);
  table();
  chart.others([]);
  if (guess) chart.move(guess.bpp, guess.psnr, false, `quality ${number(value)}, about `);
  belongs(number(value), "viewer", "figures", ...(guess ? ["plot"] : []));
}

/** Code the picture to a target and show what came out. */
async function code(target, signal) {
  const current = picture;
  if (!current) return;
  const found = await pictures.ask("api/compression/encode", { target, preview: false }, (said) => view.state(said, true), signal);
  const url = await result(found, signal);
  await loaded(url);
  if (current !== picture || signal.aborted) return;
  problem("");
  if (!("quality" in target)) quality.value = Math.round(10 * found.quality) / 10;
  rows = { yoto: { ...found, url } };
  for (const kind of KINDS) rows[kind] = null;
  shown = "yoto";
  const q = number(found.quality, 4);
  view.show(url, `decoded, quality ${number(found.quality)}`);
  for (const id of ["download", "png"]) $(id).hidden = false;
  $("decoded").textContent = "";
  margin(target, found);
  chart.others([]);
  chart.move(found.bpp, found.psnr, true, `quality ${number(found.quality)}`);
  belongs(number(quality.value), "viewer", "figures", "plot");
  visited.add(Math.round(found.quality * 2.55));
  const to = `${stem(current.file)}.yoto`;
  copy({
    python: `from pathlib import Path\n\nfrom PIL import Image\nfrom yoto import codec\n\ndata = codec.compress(Image.open(${JSON.stringify(current.file)}), quality=${q})\nPath(${JSON.stringify(to)}).write_bytes(data)`,
    shell: `yoto compress ${quoted(current.file)} -o ${quoted(to)} --quality ${q}`,
  });
  table();
  state?.save();
  done();
  knots?.add(found.quality, found);
  beside(current, found);
}

/** How far from its target a result is. */
function margin(target, found) {
  const [[kind, asked]] = Object.entries(target);
  const value = { psnr: found.psnr, size: found.bytes, bpp: found.bpp }[kind];
  const unit = { psnr: "dB", size: "bytes", bpp: "bits per pixel" }[kind];
  const apart = value - asked;
  $("margin").textContent = value === undefined ? "" :
    `Quality ${number(found.quality)} gives ${kind === "size" ? whole(value) : number(value, 4)} ${unit}: ` +
    (Math.abs(apart) < 1e-9 ? "exactly that." : `${number(Math.abs(apart), 2)} ${apart > 0 ? "more" : "less"} than asked.`);
  chart.bound(value === undefined ? null : kind === "psnr" ? { axis: "y", value: asked, below: false } :
    { axis: "x", value: kind === "size" ? (8 * asked) / (current().width * current().height) : asked, below: true });
}
const current = () => picture;

/** Files of other formats of the same size, one after the other; then the figures that estimates need. */
async function beside(current, found) {
  searching = new AbortController();
  const { signal } = searching;
  const still = () => current === picture && !signal.aborted;
  try {
    if (!knots?.ready) await knots?.measure((value) => pictures.ask("api/compression/figures", { quality: value }, undefined, signal), still);
    for (const kind of KINDS) {
      if (!still()) return;
      try {
        rows[kind] = await pictures.ask("api/compression/classic", { kind, size: found.bytes }, undefined, signal);
      } catch (error) {
        if (!still()) return;
        rows[kind] = error.message;
      }
      if (!still()) return;
      table(document.activeElement?.closest("#figures [data-kind]")?.dataset.kind);
      const made = Object.entries(rows).filter(([name, row]) => name !== "yoto" && row?.psnr);
      const order = made.map(([, row]) => row.psnr).sort((a, b) => b - a);
      chart.others(made.map(([name, row]) => ({ x: row.bpp, y: row.psnr, name, shift: 4 * order.indexOf(row.psnr) })));
    }
  } catch (error) {
    if (still()) problem(error.message);
  }
}

/** Show the file of a format. */
async function see(kind) {
  const row = rows[kind];
  if (!row?.psnr || row.estimate) return;
  row.url ??= await result(row).catch((error) => problem(error.message));
  if (!row.url || rows[kind] !== row) return;
  shown = kind;
  const size = row.fits === false ? "its smallest file" : "at most as large";
  view.show(row.url, kind === "yoto" ? `decoded, quality ${number(row.quality)}` : `${kind}, ${size}`);
  table(kind);
}
for (const kind of ["yoto", ...KINDS]) view.key(kind[0].toLowerCase(), () => see(kind));

/** The figures of the files side by side; those still to come have their place already, so that nothing moves. */
function table(focus = "") {
  const all = Object.keys(rows).length ? { yoto: null, JPEG: null, WebP: null, AVIF: null, ...rows } : {};
  $("figures").replaceChildren(...Object.entries(all).map(([kind, row]) => {
    const mine = kind === "yoto";
    if (!row?.psnr) {
      return el("tr", { "data-kind": kind, class: mine ? "own" : "" }, el("td", {}, kind), el("td", { colspan: 4 }, typeof row === "string" ? row : "…"));
    }
    const about = row.estimate ? "≈ " : "";
    const letter = kind[0].toUpperCase();
    return el("tr", { class: mine ? "own" : "", "data-kind": kind },
      el("td", {}, kind + (row.fits === false ? " (smallest)" : "")),
      el("td", {}, about + whole(row.estimate ? Number(row.bytes.toPrecision(3)) : row.bytes)), el("td", {}, about + row.bpp.toFixed(3)), el("td", {}, about + row.psnr.toFixed(row.estimate ? 1 : 2)),
      el("td", {}, row.estimate ? "" : el("button", {
        type: "button", "aria-pressed": String(shown === kind), "aria-label": `Show the ${kind} picture`, title: `Show it (key ${letter})`, onclick: () => see(kind),
      }, "show")));
  }));
  if (focus) $("figures").querySelector(`[data-kind=${focus}] button`)?.focus();
  smaller();
}

/** How much smaller a file is that is as close to the original as the JPEG beside it, and the way there. */
function smaller() {
  const { psnr, bytes } = rows.JPEG ?? {};
  const at = psnr && knots?.ready ? knots.reaching(psnr) : null;
  const less = at === null ? 0 : 1 - knots.at(at).bytes / bytes;
  $("smaller").replaceChildren(...(less < 0.01 ? [] : [
    `As close to the original as this JPEG: about ${whole(Number(knots.at(at).bytes.toPrecision(3)))} bytes, ${Math.round(100 * less)} % smaller. `,
    el("button", { type: "button", class: "quiet", onclick: () => { quality.value = Math.round(10 * at) / 10; final({ quality: quality.value }); } }, "Make it"),
  ]));
}

/** Code to a target; where none meets it and no file is there yet, the slider's quality stands, and it is said. */
async function meet(target, signal) {
  const current = picture;
  try {
    await code(target, signal);
  } catch (error) {
    if (current === picture && !signal.aborted && !rows.yoto?.url) await code({ quality: quality.value }, signal);
    throw error;
  }
}

$("target").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = typed($("target-value").value);
  if (value > 0) final({ [$("target-kind").value]: value }, meet);
  else $("margin").textContent = "A number above 0, please.";
});
$("download").addEventListener("click", async () => {
  const current = picture;
  try {
    save(`${stem(current.name)}.yoto`, await fetched(`api/results/${rows.yoto.id}.yoto`));
  } catch {
    await final({ quality: quality.value }); // it was given up: make it again
    if (current === picture) save(`${stem(current.name)}.yoto`, await fetched(`api/results/${rows.yoto.id}.yoto`));
  }
});
let opened = null; // of a .yoto file: its name and address as PNG
$("png").addEventListener("click", () => {
  const row = opened ?? { url: rows[shown].url, name: `${stem(picture.name)}-${shown}` };
  save(`${row.name}.png`, row.url);
});

async function open(file) {
  const before = picture;
  try {
    view.state("decoding", true);
    const found = await ask("api/compression/decode", file, (said) => view.state(said, true));
    const url = local(await fetched(`api/results/${found.id}.png`));
    await loaded(url);
    if (picture !== before) return; // another one was chosen meanwhile
    choose(null);
    opened = { url, name: stem(file.name) };
    $("png").hidden = false;
    view.original({ url, width: found.width, height: found.height }, "from the file");
    $("decoded").textContent = `${file.name}: ${found.width}×${found.height} pixels at quality ${number(found.quality)}, ` +
      `${whole(found.bytes)} bytes, ${found.bpp.toFixed(3)} bits per pixel. Choose a picture to code another.`;
    done();
  } catch (error) {
    problem(error.message);
  } finally {
    view.state("");
  }
}
$("decode").addEventListener("change", (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  if (file) open(file);
});

/** Work on another picture, or on none: one from a file has no original to code. */
function choose(chosen) {
  stop();
  picture = chosen;
  opened = null;
  rows = {};
  table();
  chart.clear();
  chart.bound(null);
  knots = chosen && new Knots(chosen.width * chosen.height, (curve) => chosen === picture && chart.curve({ ...curve, title: "The trade-off of this one network on this picture, estimated between five qualities; dots: files that were made." }));
  chart.curve(overall);
  $("margin").textContent = "";
  for (const id of ["download", "png"]) $(id).hidden = true;
  for (const input of document.querySelectorAll("#quality input, #target input, #target select, #target button")) input.disabled = !chosen;
  if (!chosen) pictures.release();
}

const state = address(
  () => ({ quality: number(quality.value, 4), picture: pictures?.named ?? "" }),
  (values) => {
    quality.value = Number(values.quality);
    if (!pictures.follow(values.picture)) final({ quality: quality.value });
  },
);
if (state.given.quality) quality.value = Number(state.given.quality) || 0;
$("reset").addEventListener("click", () => state.reset(["picture"]));
const weight = info.range.low * (info.range.high / info.range.low) ** 0.5;
const weights = info.curve.points.map((p) => p.distortion);
chart.move(between(weights, overall.x, weight), between(weights, overall.y, weight));
pictures = await gallery($("gallery"), (chosen) => {
  choose(chosen);
  $("decoded").textContent = "";
  view.original(chosen);
  if (chosen.width * chosen.height > LARGE) work.run(() => preview(quality.value));
  final({ quality: quality.value });
}, { state: view.state, begin: state.given.picture, others: { ".yoto": open } });
await pictures.start();
