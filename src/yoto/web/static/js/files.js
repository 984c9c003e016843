// Files that are dropped, pasted or left by another page.

import { el, problem } from "./common.js";
import { leave, taken } from "./keep.js";

/** Whether a page that lists what it opens (".yoto,image/*") opens a file. */
const fits = (opens, file) => opens.split(",").some((kind) =>
  kind && (kind.startsWith(".") ? file.name.toLowerCase().endsWith(kind) : kind === "image/*" && !/\.yoto$/i.test(file.name)));

/** Take a file to the page that opens it. */
async function elsewhere(file) {
  const link = [...document.querySelectorAll("nav a[data-opens]")].find((a) => fits(a.dataset.opens, file));
  if (!link) return problem(`No page here opens ${file.name}.`);
  await leave(file);
  location.href = link.href;
}

/**
 * Take files that are dropped anywhere on the page or pasted.
 * @param handlers functions by kind (".yoto", "image/*"); other kinds go to the page that opens them
 */
export function receive(handlers = {}) {
  const veil = el("div", { class: "veil", hidden: true }, el("p", {}, "Drop the file to open it"));
  document.body.append(veil);
  let depth = 0;
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const open = (file) => {
    if (!file) return;
    if (!file.size) {
      problem(`${file.name} is empty. Choose another file.`);
      return;
    }
    const kind = Object.keys(handlers).find((name) => fits(name, file));
    if (kind) handlers[kind](file);
    else elsewhere(file);
  };
  document.addEventListener("dragenter", (event) => { if (carries(event)) { depth += 1; veil.hidden = false; } });
  document.addEventListener("dragleave", (event) => { if (carries(event)) veil.hidden = --depth <= 0; });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    open(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => open(event.clipboardData?.files[0]));
  return { open, left: taken };
}

/** The name of a file without its ending. */
export const stem = (name) => name.replace(/\.[^.]+$/, "") || "picture";
