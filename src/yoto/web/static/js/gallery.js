// Where the picture comes from: samples, a file, dropping or pasting one.

import { ask, el, isStatic, loaded, problem } from "./common.js";

/** Longest side of a picture of the user's in a page without a server, which computes on one core. */
export const LARGEST = 1024;

/** A picture of this browser, shrunk to at most LARGEST pixels a side: {id, url, width, height}. */
async function local(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This file should be a picture. The browser cannot read it.");
  }
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = el("canvas", {
    width: Math.max(1, Math.round(bitmap.width * scale)), height: Math.max(1, Math.round(bitmap.height * scale)),
  });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return { id: "local", url: canvas.toDataURL("image/png"), width: canvas.width, height: canvas.height };
}

async function sample(entry) {
  const url = isStatic ? `api/pictures/${entry.id}.jpg` : `api/pictures/${entry.id}.png`;
  const image = await loaded(url);
  return { id: entry.id, url, width: image.naturalWidth, height: image.naturalHeight };
}

/**
 * @param chosen called with {id, url, width, height} of the picture to work on; the first sample at once
 * @param state called with a text and whether work is going on
 * @returns a function that takes the choice back, for a picture from elsewhere
 */
export async function gallery(place, target, chosen, state = () => {}) {
  const samples = await ask("api/samples.json");
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
    state("sending the picture", true);
    const found = await ask("api/pictures", file, (said) => state(said, true)).finally(() => state("", false));
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
  return () => {
    turn += 1;
    for (const button of row.querySelectorAll("button")) button.setAttribute("aria-pressed", "false");
  };
}
