// Where the picture comes from: samples, a file, dropping or pasting one.

import { $, ask, el, isStatic, problem } from "./common.js";

/** A picture of this browser, shrunk to at most `side` pixels: {id, url, width, height}. */
async function local(file, side = 1024) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This file should be a picture. The browser cannot read it.");
  }
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = el("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return { id: "local", url: canvas.toDataURL("image/png"), width: canvas.width, height: canvas.height };
}

async function sample(entry) {
  const url = isStatic ? `api/pictures/${entry.id}.jpg` : `api/pictures/${entry.id}.png`;
  const image = new Image();
  image.src = url;
  await image.decode();
  return { id: entry.id, url, width: image.naturalWidth, height: image.naturalHeight };
}

/** @param chosen called with {id, url, width, height} of the picture to work on; the first sample at once */
export async function gallery(place, target, chosen) {
  const samples = await (await fetch("api/samples.json")).json();
  const input = el("input", { type: "file", accept: "image/*", class: "hidden", id: "upload" });
  const row = el("div", { class: "gallery", role: "group", "aria-label": "Pictures" },
    el("label", { class: "add" }, "Open, drop\nor paste", input));
  let turn = 0;

  async function take(get, button) {
    const mine = ++turn;
    problem("");
    for (const other of row.querySelectorAll("button")) other.setAttribute("aria-pressed", other === button);
    try {
      const picture = await get();
      if (mine === turn) chosen(picture);
    } catch (error) {
      if (mine === turn) problem(error.message);
    }
  }
  const open = (file) => file && take(async () => {
    if (isStatic) return local(file);
    const found = await ask("api/pictures", file);
    return { ...found, url: `api/pictures/${found.id}.png` };
  });
  input.addEventListener("change", () => { open(input.files[0]); input.value = ""; });
  for (const entry of samples) {
    const button = el("button", { type: "button", title: `${entry.name} (${entry.licence})`, "aria-pressed": "false",
      onclick: () => take(() => sample(entry), button) },
    el("img", { src: `api/samples/${entry.id.replace("sample-", "")}.jpg`, alt: entry.name, loading: "lazy" }));
    row.append(button);
  }
  place.append(row);
  const over = (event) => { event.preventDefault(); target.classList.add("dropping"); };
  target.addEventListener("dragenter", over);
  target.addEventListener("dragover", over);
  target.addEventListener("dragleave", () => target.classList.remove("dropping"));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    target.classList.remove("dropping");
    open(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => open(event.clipboardData?.files[0]));
  const first = row.querySelector("button");
  await take(() => sample(samples[0]), first);
  return { open };
}
