// Where the picture comes from: samples, a file, dropping or pasting one; what was opened before.

import { ask, el, fetched, isStatic, loaded, local, problem } from "./common.js";
import { receive, stem } from "./files.js";
import { all, drop, get, last, put } from "./keep.js";

/** Longest side of a picture of the user's in a page without a server, which computes on one core. */
export const LARGEST = 1024;
const THUMBNAIL = 160;

/** Something drawable at a size as a canvas. */
function drawn(image, width, height) {
  const canvas = el("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  return canvas;
}

function thumbnail(image, width, height) {
  const scale = Math.min(1, THUMBNAIL / Math.max(width, height));
  return drawn(image, Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))).toDataURL("image/webp", 0.8);
}

const blobOf = (canvas) => new Promise((done) => canvas.toBlob(done, "image/png"));

/** A picture of this browser, shrunk to at most LARGEST pixels a side. */
async function opened(entry) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(entry.blob);
  } catch {
    throw new Error("This file should be a picture. The browser cannot read it.");
  }
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = drawn(bitmap, width, height);
  bitmap.close();
  const notice = scale < 1 ? `Shrunk to ${width}×${height} pixels, to compute in the browser.` : "";
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const alpha = data.some((value, i) => i % 4 === 3 && value < 255);
  return { id: entry.key, url: local(await blobOf(canvas)), width, height, alpha, notice, thumb: thumbnail(canvas, width, height) };
}

/** A picture at the server: sent, unless it is there already. */
async function sent(entry, state) {
  state("sending the picture", true);
  const found = await ask("api/pictures", entry.blob, (said) => state(said, true)).finally(() => state("", false));
  const url = local(await fetched(`api/pictures/${found.id}.webp`));
  return { ...found, url, thumb: thumbnail(await loaded(url), found.width, found.height) };
}

async function sample(entry) {
  const url = local(await fetched(isStatic ? `api/pictures/${entry.id}.jpg` : `api/pictures/${entry.id}.webp`));
  const image = await loaded(url);
  return { id: entry.id, key: entry.id, url, width: image.naturalWidth, height: image.naturalHeight };
}

/**
 * @param chosen called with {id, key, url, width, height, name, file, sample, exact()} of the picture to work on: file is its file's name,
 *   sample {name, url} where to get that of a picture of the package
 * @param options state(text, busy); begin: the key of the first; others: what else the page opens, by kind
 * @returns {start(): choose the first; release(): take the choice back; choose(key); settled(); key: of the present picture; ask(path, body, …) of it}
 */
export async function gallery(place, chosen, { state = () => {}, begin = null, others = {} } = {}) {
  const [samples, own] = await Promise.all([ask("api/samples.json"), all()]);
  const input = el("input", { type: "file", accept: "image/*,.heic,.heif", class: "hidden", id: "upload" });
  const add = el("label", { class: "add", title: "Open a picture; or drop or paste one anywhere" }, "Open, drop\nor paste", input);
  const row = el("div", { class: "gallery", role: "toolbar", "aria-label": "Pictures" });
  let turn = 0;
  let picture = null;
  const entries = new Map(); // pictures of the user's by key

  /** Buttons are one stop of the tab key; arrow keys go from one to the next. */
  const buttons = () => [...row.querySelectorAll("button.thumb")];
  const press = (key) => {
    const found = buttons();
    const mine = found.find((b) => b.dataset.key === key);
    for (const button of found) {
      button.setAttribute("aria-pressed", String(button === mine));
      button.tabIndex = button === (mine ?? found[0]) ? 0 : -1;
    }
    if (mine) row.scrollLeft = Math.min(mine.offsetLeft - row.offsetLeft, Math.max(row.scrollLeft, mine.offsetLeft + mine.offsetWidth - row.offsetLeft - row.clientWidth)); // the page itself stays where it is
  };
  row.addEventListener("keydown", (event) => {
    const found = buttons();
    const at = found.indexOf(document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: found.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    found[Math.min(found.length - 1, Math.max(0, to))].focus();
  });
  const button = (key, label, source) => el("button", {
    type: "button", class: "thumb", title: label, "data-key": key, "aria-pressed": "false", tabindex: -1, onclick: () => choose(key),
  }, el("img", { src: source, alt: label, loading: "lazy", width: 92, height: 62 }));

  async function found(key) {
    const known = samples.find((entry) => entry.id === key);
    if (known) {
      const found = await sample(known);
      const exact = isStatic ? null : async () => local(await fetched(`api/pictures/${known.id}.png`));
      return { ...found, name: known.name.replaceAll(" ", "-"), file: known.file, sample: { name: known.file, url: known.url }, exact };
    }
    const entry = entries.get(key) ?? (await get(key));
    if (!entry) throw new Error("This picture is not in this browser. Open it again.");
    const made = await (isStatic ? opened(entry) : sent(entry, state));
    if (!buttons().some((b) => b.dataset.key === key)) {
      Object.assign(entry, { thumb: made.thumb });
      entries.set(key, entry);
      await put(entry);
      add.after(button(key, entry.name, made.thumb));
    }
    if (made.notice) problem(made.notice, "note");
    const exact = isStatic ? null : async () => local(await fetched(`api/pictures/${picture.id}.png`));
    return { ...made, key, name: stem(entry.name), file: entry.name, entry, exact };
  }

  let settling = null; // the choice that is on its way
  const choose = (key, quietly = false) => (settling = chooseNow(key, quietly));
  async function chooseNow(key, quietly) {
    const mine = ++turn;
    problem("");
    try {
      const next = await found(key);
      if (mine !== turn) return;
      picture = next;
      last.key = key;
      press(key);
      chosen(next);
    } catch (error) {
      if (mine !== turn) return;
      if (quietly) await chooseNow(samples[0].id);
      problem(error.message);
    }
  }

  const take = (file) => {
    if (!file) return;
    if (!file.size) return problem(`${file.name} is empty. Choose another file.`);
    const key = `own-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
    entries.set(key, { key, name: file.name, blob: file, at: Date.now() });
    return choose(key);
  };
  input.addEventListener("change", () => { take(input.files[0]); input.value = ""; });
  row.append(add);
  for (const entry of own) {
    if (!entry.thumb) {
      await drop(entry.key);
      continue;
    }
    entries.set(entry.key, entry);
    row.append(button(entry.key, entry.name, entry.thumb));
  }
  for (const entry of samples) {
    row.append(button(entry.id, `${entry.name} (${entry.licence})`, `api/samples/${entry.id.replace("sample-", "")}.jpg`));
  }
  place.replaceChildren(row);
  const files = receive({ ...others, "image/*": take });
  return {
    /** Choose the first picture: one that another page left, the one asked for, the last one, or a sample. */
    async start() {
      const left = await files.left();
      const wanted = begin ?? last.key;
      const known = wanted && (entries.has(wanted) || samples.some((entry) => entry.id === wanted));
      if (left) {
        await choose(samples[0].id);
        files.open(left);
        return;
      }
      await choose(known ? wanted : samples[0].id, true);
      if (begin && !known) problem("The picture of this address is not in this browser. Another one is shown.", "note");
    },
    choose,
    /** Wait for the picture that is on its way. */
    async settled() { for (let last = null; last !== settling;) await (last = settling); },
    get key() { return picture?.key ?? null; },
    /** The key for an address: "" for the sample that pages begin with. */
    get named() { return picture && picture.key !== samples[0].id ? picture.key : ""; },
    /** Choose what an address names, where it is another; whether it is. */
    follow(key) {
      const wanted = key || samples[0].id;
      if (wanted === picture?.key) return false;
      choose(wanted, true);
      return true;
    },
    release() {
      turn += 1;
      picture = null;
      press("");
    },
    /** Ask the server about the picture; where it no longer has it, it is sent again. */
    async ask(path, body, waiting, signal) {
      const mine = picture;
      const asked = () => ask(path, { picture: mine.id, ...body }, waiting, signal);
      try {
        return await asked();
      } catch (error) {
        if (error.status !== 404 || !mine.entry) throw error;
        mine.id = (await sent(mine.entry, state)).id;
        return asked();
      }
    },
  };
}
