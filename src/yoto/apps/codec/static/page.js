import { address } from "./address.js";
import { $, ask, between, belongs, copyBox, done, el, facts, fetched, Latest, loaded, local, number, problem, quoted, result, save, Visited, whole } from "./common.js";
import { stem } from "./files.js";
import { gallery } from "./gallery.js";
import { Knots, named } from "./knots.js";
import { plot } from "./plot.js";
import { slider, typed } from "./slider.js";
import { viewer } from "./viewer.js";

const info = await facts("compression");
const view = viewer($("viewer"), ["original", "decoded"]);
const work = new Latest((busy) => view.state(busy ? "coding" : "", busy));
const visited = new Visited($("replaces"), info.replaces);
const copy = copyBox($("copy"));
const { low, high } = info.range;
const weights = info.curve.points.map((p) => p.distortion);
const mean = `The trade-off of this one network. Line: mean of ${info.curve.images} test photographs; dots: this picture. Click a point to go there.`;
const own = "The trade-off of this one network on this picture, estimated between six qualities; dots: files that were made. Click a point to go there.";
const qualities = weights.map((weight) => Math.min(100, Math.max(0, (100 * Math.log(weight / low)) / Math.log(high / low))));
const overall = { x: info.curve.series.rate, y: info.curve.series.psnr, title: mean, settings: qualities };
const worded = (settings) => (i) => `quality ${number(settings[i])}`;
let settings = qualities; // of the curve's points
const chart = plot($("plot"), {
  ...overall, at: worded(qualities), xLabel: "file, bits per pixel", yLabel: "PSNR, dB", xBetter: "lower", yBetter: "higher",
  pick: (i) => { if (picture) go(Math.round(10 * settings[i]) / 10); },
});
const LARGE = 1e6; // pixels of a picture that takes a while to code: a preview comes first
const KINDS = ["JPEG", "WebP", "AVIF"];
let picture = null;
let pictures = null;
let shown = "yoto";
let rows = {};
let side = info.preview; // of previews: as large as this machine shows fluently
let knots = null; // figures of the whole picture at a few qualities, for estimates
let opened = null; // of a .yoto file, which has no original to be compared with: its name and address as PNG
let searching = null; // the files of other formats that are being made
let like = null; // bytes of the files beside, where they stay as they are beside a smaller one that looks like the JPEG

const quality = slider($("quality"), {
  id: "quality", label: "Quality", low: 0, high: 100, value: info.quality, ends: ["small file", "faithful picture"],
  about: "The position between the two ends of the trade-off: 0 writes the smallest file, 100 the most faithful picture.",
  moved: (value) => { stop(); work.run(() => preview(value)); },
  set: (value) => { state.save(); final({ quality: value }); }, // a reload while it is coded keeps the setting
});
const final = (target, make = code) => { stop(); return work.run((_, signal) => make(target, signal), true); };
const go = (value) => { quality.value = value; return final({ quality: value }); };
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
  like = null;
  rows = { yoto: guess ? { ...guess, estimate: true } : { waiting: true } };
  view.show(found.inline, `decoded, quality ${number(value)} (preview)`);
  table();
  chart.others([]);
  if (guess) chart.move(guess.bpp, guess.psnr, false, `quality ${number(value)}, about `);
  belongs(number(value), "viewer", "figures", ...(guess ? ["plot"] : []));
}

/**
 * Code the picture to a target and show what came out.
 * @param size of the files beside that stay as they are; without it there are new ones, as large as this one
 */
async function code(target, signal, size = null) {
  const current = picture;
  if (!current) return;
  const found = await pictures.ask("api/compression/encode", { target, preview: false }, (said) => view.state(said, true), signal);
  const url = await result(found, signal);
  await loaded(url);
  if (current !== picture || signal.aborted) return;
  problem("");
  const value = target.quality ?? named(found.quality);
  if (!("quality" in target)) quality.value = value;
  like = size;
  rows = { ...(size ? rows : {}), yoto: { ...found, quality: value, url } };
  shown = "yoto";
  view.show(url, `decoded, quality ${number(value)}`);
  for (const id of ["download", "png"]) $(id).disabled = false;
  $("decoded").textContent = "";
  margin(target, rows.yoto);
  if (!size) chart.others([]);
  chart.move(found.bpp, found.psnr, true, `quality ${number(value)}`);
  belongs(number(value), "viewer", "figures", "plot");
  visited.add(Math.round(found.quality * 2.55));
  copy(texts(current, value));
  table();
  state?.save();
  done();
  knots?.add(found.quality, found);
  beside(current, size ?? found.bytes);
}

/** The name, without its ending, of a file that is made of a picture at a quality. */
const called = (name, value) => `${name}-q${number(value, 4)}`;

/** The setting as Python and as a command. */
function texts(of, value) {
  const to = `${called(of.name, value)}.yoto`;
  const q = number(value, 4);
  return {
    python: `from pathlib import Path\n\nfrom PIL import Image\nfrom yoto import codec\n\npicture = Image.open(${JSON.stringify(of.file)})\ndata = codec.compress(picture, quality=${q})\nPath(${JSON.stringify(to)}).write_bytes(data)`,
    shell: `yoto compress ${quoted(of.file)} -o ${quoted(to)} --quality ${q}`,
    sample: of.sample,
  };
}

/** How far from its target a result is; what the target forbids is shaded. */
function margin(target, found) {
  const [[kind, asked]] = Object.entries(target);
  const value = { psnr: found.psnr, size: found.bytes, bpp: found.bpp }[kind];
  const unit = { psnr: "dB", size: "bytes", bpp: "bits per pixel" }[kind];
  const apart = value - asked;
  $("margin").textContent = value === undefined ? "" :
    `Quality ${number(found.quality)} gives ${kind === "size" ? whole(value) : number(value, 4)} ${unit}: ` +
    (Math.abs(apart) < 1e-9 ? "exactly that." : `${number(Math.abs(apart), 2)} ${apart > 0 ? "more" : "less"} than asked.`);
  bound(target);
}

/** Shade what a target forbids; nothing for a quality. */
function bound(target) {
  const [[kind, asked]] = Object.entries(target);
  chart.bound(kind === "quality" ? null : kind === "psnr" ? { axis: "y", value: asked, below: false } :
    { axis: "x", value: kind === "size" ? (8 * asked) / (picture.width * picture.height) : asked, below: true });
}

/** Files of other formats of a size, one after the other; then the figures that estimates need. */
async function beside(current, size) {
  searching = new AbortController();
  const { signal } = searching;
  const still = () => current === picture && !signal.aborted;
  try {
    if (!knots?.ready) await knots?.measure((value) => pictures.ask("api/compression/figures", { quality: value }, undefined, signal), still);
    for (const kind of KINDS) {
      if (!still()) return;
      if (rows[kind]?.psnr) continue;
      try {
        rows[kind] = await pictures.ask("api/compression/classic", { kind, size }, undefined, signal);
      } catch (error) {
        if (!still()) return;
        rows[kind] = error.message;
      }
      if (!still()) return;
      table(document.activeElement?.closest("#figures [data-kind]")?.dataset.kind);
      const made = Object.entries(rows).filter(([name, row]) => name !== "yoto" && row?.psnr);
      chart.others(made.map(([name, row]) => ({ x: row.bpp, y: row.psnr, name })));
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
  view.show(row.url, kind === "yoto" ? `decoded, quality ${number(row.quality)}` : `${kind}, ${whole(row.bytes)} bytes`);
  table(kind);
}
for (const kind of ["yoto", ...KINDS]) view.key(kind[0].toLowerCase(), () => see(kind));

/** The figures of the files side by side; those still to come have their place already, so that nothing moves. */
function table(focus = "") {
  const all = opened ? {} : { yoto: null, JPEG: null, WebP: null, AVIF: null, ...rows };
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

/** How much smaller a file is that is as close to the original as the JPEG beside it: the way there, or that it is shown. */
function smaller() {
  const { psnr, bytes } = rows.JPEG ?? {};
  if (like && psnr) {
    $("smaller").replaceChildren(
      `${whole(rows.yoto.bytes)} bytes, as close as this JPEG by PSNR (${rows.yoto.psnr.toFixed(1)} and ${psnr.toFixed(1)} dB): ${Math.round(100 * (1 - rows.yoto.bytes / bytes))} % smaller. `,
      el("button", { type: "button", class: "quiet", onclick: even }, "Beside files of its size"));
    return;
  }
  const at = psnr && knots?.ready ? knots.reaching(psnr) : null;
  const less = at === null ? 0 : 1 - knots.at(at).bytes / bytes;
  $("smaller").replaceChildren(...(less < 0.01 ? [] : [
    `As close to the original as this JPEG, by PSNR: about ${whole(Number(knots.at(at).bytes.toPrecision(3)))} bytes, ${Math.round(100 * less)} % smaller. `,
    el("button", { type: "button", class: "quiet", onclick: () => make(Math.round(10 * at) / 10) }, "Make it"),
  ]));
}

/** Make a smaller file that is as close as the JPEG, which stays beside it; what was estimated is measured first. */
function make(value) {
  const [size, wanted] = [rows.yoto.bytes, rows.JPEG.psnr];
  return final({ quality: value }, async (_, signal) => {
    quality.value = await knots.closeIn(wanted, value, (at) => pictures.ask("api/compression/figures", { quality: at }, undefined, signal));
    await code({ quality: quality.value }, signal, size);
  });
}

/** Set the present file beside others of its size again. */
function even() {
  stop();
  like = null;
  rows = { yoto: rows.yoto };
  if (shown !== "yoto") see("yoto");
  chart.others([]);
  table();
  beside(picture, rows.yoto.bytes);
}

/** Code to a target; where none meets it, that is said, and where no file is there yet the slider's quality stands. */
async function meet(target, signal) {
  const current = picture;
  try {
    await code(target, signal);
  } catch (error) {
    if (current !== picture || signal.aborted) throw error;
    if (!rows.yoto?.url) await code({ quality: quality.value }, signal);
    $("margin").textContent = error.message;
    bound(target);
  }
}

$("target").addEventListener("submit", async (event) => {
  event.preventDefault();
  const value = typed($("target-value").value);
  if (!(value > 0 && Number.isFinite(value))) {
    $("margin").textContent = "A number above 0, please.";
    chart.bound(null);
    return;
  }
  const target = { [$("target-kind").value]: value };
  $("margin").textContent = "Searching …";
  await pictures.settled(); // where another picture is on its way the target is for that one
  if (picture) final(target, meet);
});
$("download").addEventListener("click", async () => {
  const current = picture;
  const get = async () => save(`${called(current.name, rows.yoto.quality)}.yoto`, await fetched(`api/results/${rows.yoto.id}.yoto`));
  try {
    await get();
  } catch {
    await final({ quality: quality.value }); // it was given up: make it again
    if (current === picture) await get();
  }
});
$("png").addEventListener("click", () => {
  const row = opened ?? { url: rows[shown].url, name: shown === "yoto" ? called(picture.name, rows.yoto.quality) : `${picture.name}-${shown}` };
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
    table();
    $("png").disabled = false;
    view.original({ url, width: found.width, height: found.height }, "from the file");
    $("decoded").textContent = `${file.name}: ${found.width}×${found.height} pixels at quality ${number(named(found.quality))}, ` +
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
  [rows, like] = [{}, null];
  table();
  chart.clear();
  chart.bound(null);
  knots = chosen && new Knots(chosen.width * chosen.height, (curve) => chosen === picture && drawn({ ...curve, title: own }));
  drawn(overall);
  $("margin").textContent = "";
  for (const id of ["download", "png"]) $(id).disabled = true;
  for (const input of document.querySelectorAll("#quality input, #target input, #target select, #target button")) input.disabled = !chosen;
  if (!chosen) pictures.release();
}

/** Draw a curve: {x, y, title, settings: the qualities of its points}. */
function drawn(curve) {
  ({ settings } = curve);
  chart.curve({ ...curve, at: worded(settings) });
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
table();
const weight = low * (high / low) ** 0.5;
chart.move(between(weights, overall.x, weight), between(weights, overall.y, weight));
pictures = await gallery($("gallery"), (chosen) => {
  choose(chosen);
  $("decoded").textContent = "";
  view.original(chosen);
  if (chosen.width * chosen.height > LARGE) work.run(() => preview(quality.value));
  final({ quality: quality.value });
}, { state: view.state, begin: state.given.picture, others: { ".yoto": open } });
await pictures.start();
