// What every page uses: elements, requests, the order of work, messages.

import { explain } from "./terms.js";

const root = document.documentElement;
root.dataset.alive = ""; // the note for browsers that run no script goes away
export const isStatic = root.dataset.mode === "static";
export const $ = (id) => document.getElementById(id);

/** An element with properties ("class", "on…", "aria-…", plain attributes) and children. */
export function el(tag, properties = {}, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A word with its explanation, as in the pages' HTML. */
export const term = (word, tip) => el("button", { type: "button", class: "term", "data-tip": tip }, word);
explain(document);
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

/** The name by which this tab asks, the same after a reload. */
const client = (() => {
  const made = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    return (sessionStorage["yoto.client"] ??= made());
  } catch {
    return made();
  }
})();

/** Say in the page what went wrong, or what to know; "" takes it away. */
let fading;
export function problem(message, kind = "bad") {
  const box = $("problem");
  clearTimeout(fading);
  box.hidden = !message;
  box.textContent = message;
  box.dataset.kind = kind;
  if (message) fading = setTimeout(() => problem(""), 12000);
}

export const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

let wake = () => {};
/** Say as long as it lasts that nobody answers. */
function connected(yes) {
  const box = $("connection");
  if (box.hidden === yes) return;
  box.hidden = yes;
  if (!yes) {
    problem("");
    box.replaceChildren("Not connected: the server does not answer. This page tries again by itself. ",
      el("button", { type: "button", onclick: () => wake() }, "Try now"));
  }
}

/** An answer of the server, read; where nobody answers, it is asked again until somebody does. */
async function reach(path, options, read) {
  for (let wait = 0.4; ; wait = Math.min(4, 1.5 * wait)) {
    try {
      const response = await fetch(path, options);
      const content = await read(response);
      connected(true);
      return [response, content];
    } catch (error) {
      if (options.signal?.aborted) throw error;
      if (isStatic) throw new Error("This could not be fetched. Is the connection there?");
      connected(false);
      await Promise.race([pause(wait), new Promise((done) => (wake = done))]);
    }
  }
}

/** What the server refuses: its words, and the status. */
class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function answered(path, options, read, waiting) {
  for (let attempt = 0; ; attempt++) {
    const [response, content] = await reach(path, options, async (r) => (r.ok ? read(r) : r.json().catch(() => ({}))));
    if (response.ok) return content;
    if (response.status === 503 && attempt < 30) {
      waiting?.(content.error);
      await pause(Number(response.headers.get("Retry-After") ?? 1) * (0.5 + Math.random()));
      if (options.signal?.aborted) throw options.signal.reason;
      continue;
    }
    throw new Refusal(content.error ?? `The server answered ${response.status}.`, response.status);
  }
}

/** Ask the server. `body`: an object (JSON), a Blob (as it is) or nothing (GET). Busy answers are waited out. */
export function ask(path, body, waiting, signal) {
  const options = { headers: { "X-Yoto-Client": client }, signal };
  if (body !== undefined) {
    options.method = "POST";
    const blob = body instanceof Blob;
    options.body = blob ? body : JSON.stringify(body);
    options.headers["Content-Type"] = blob ? "application/octet-stream" : "application/json";
  }
  return answered(path, options, (response) => response.json(), waiting);
}

const kept = []; // addresses of blobs: the oldest are given up
/** The address of a blob in this page; the last few hundred megabytes stay. */
export function local(blob) {
  const url = URL.createObjectURL(blob);
  kept.push([url, blob.size]);
  let size = kept.reduce((sum, [, bytes]) => sum + bytes, 0);
  while (kept.length > 12 && size > 3e8) {
    const [old, bytes] = kept.shift();
    URL.revokeObjectURL(old);
    size -= bytes;
  }
  return url;
}

/** A file of the server as a blob, which stays when the server does not. */
export const fetched = (path, signal) => answered(path, { headers: { "X-Yoto-Client": client }, signal }, (r) => r.blob());

/** A result of the server as an address in this page: a preview came along, a whole one is fetched. */
export const result = async (found, signal) => found.inline ?? local(await fetched(`api/results/${found.id}.png`, signal));

/** A picture, once it can be painted. */
export async function loaded(url) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    throw new Error("This picture could not be loaded. Choose it again, or move a slider.");
  }
  return image;
}

/** Save a blob, or what is at an address of this page, as a file. */
export function save(name, source) {
  const link = el("a", { href: source instanceof Blob ? local(source) : source, download: name, class: "hidden" });
  document.body.append(link);
  link.click();
  link.remove();
}

/** Grey what follows the sliders where it is of an earlier setting. */
export function stale(on) {
  if (!on) void root.offsetWidth; // so that greying begins anew
  root.toggleAttribute("data-stale", on);
}

/** One piece of work at a time; of those that come meanwhile only the newest is done, and a whole one gives way. */
export class Latest {
  constructor(state) {
    this.state = state;
    this.next = null;
    this.running = null;
    this.present = null;
  }

  /** @param whole whether it takes long: it is broken off where something newer comes */
  run(work, whole = false) {
    this.next = { work, whole };
    if (this.present?.whole) this.present.stop.abort();
    stale(true);
    this.running ??= this.loop();
    return this.running;
  }

  async loop() {
    this.state?.(true);
    try {
      while (this.next) {
        this.present = { ...this.next, stop: new AbortController() };
        this.next = null;
        const { work, stop } = this.present;
        try {
          await work(() => this.next !== null, stop.signal);
        } catch (error) {
          if (!stop.signal.aborted) problem(error.message);
        }
        stale(false);
        if (this.next) stale(true);
      }
    } finally {
      this.present = null;
      this.running = null;
      this.state?.(false);
    }
  }
}

/** What a page is told of its model; where that fails, the page says so. */
export async function facts(name) {
  try {
    return await ask(`api/${name}.json`);
  } catch (error) {
    problem(error.message);
    throw error;
  }
}

/** Count a result at full size; tests and benchmarks wait for the count. */
export function done() {
  root.dataset.done = String(Number(root.dataset.done ?? 0) + 1);
}

/** Mark what shows one setting with it: the number, the picture and the dot belong together. */
export function belongs(setting, ...ids) {
  const text = typeof setting === "string" ? setting : JSON.stringify(setting);
  for (const id of ids) if ($(id)) $(id).dataset.at = text;
}

/** A text as one word of a shell command. */
export const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

export const number = (value, digits = 3) =>
  Number(value).toLocaleString("en", { maximumSignificantDigits: digits, useGrouping: false });
export const whole = (value) => Math.round(value).toLocaleString("en");

/** How many separately trained networks the model stands for: visited settings, and all that there are. */
export class Visited {
  constructor(box, all) {
    this.box = box;
    this.all = all;
    this.seen = new Set();
  }

  add(setting) {
    this.seen.add(JSON.stringify(setting));
    const n = this.seen.size;
    const all = this.all > 1e6
      ? new Intl.NumberFormat("en", { notation: "compact", compactDisplay: "long", maximumFractionDigits: 1 }).format(this.all)
      : whole(this.all);
    this.box.textContent = (n === 1
      ? "Without yoto this setting would take a network trained for it. "
      : `You have looked at ${whole(n)} settings: ${whole(n)} separately trained networks otherwise. `) +
      `This one network stands for ${all} of them, one per setting.`;
  }
}

/** A box with the present setting as Python and as a command line. */
export function copyBox(place) {
  const parts = {};
  const box = el("details", { class: "copybox" }, el("summary", {}, "This setting as Python or command line"));
  for (const [name, title] of [["python", "Python"], ["shell", "Command line"]]) {
    const code = el("code", { id: `code-${name}` });
    const button = el("button", {
      type: "button",
      class: "quiet",
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(code.textContent);
        } catch {
          getSelection().selectAllChildren(code);
          document.execCommand("copy");
        }
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = `Copy as ${title}`), 1500);
      },
    }, `Copy as ${title}`);
    const part = el("div", { class: "part" }, el("div", { class: "row" }, button),
      el("pre", { tabindex: 0, role: "region", "aria-label": title }, code));
    box.append(part);
    parts[name] = [part, code];
  }
  const file = el("p", { class: "note", hidden: true });
  box.querySelector("summary").after(file);
  place.append(box);
  /** Show {python, shell, sample}: the last is the picture {name, url} that both read, where it is one of the package. */
  return ({ sample, ...texts }) => {
    file.hidden = !sample;
    if (sample) file.replaceChildren(`Both read ${sample.name}, which comes with this page: `, el("a", { href: sample.url, download: sample.name }, "save it"), " where you run them.");
    for (const [name, [part, code]] of Object.entries(parts)) {
      code.textContent = texts[name] ?? "";
      part.hidden = !texts[name];
    }
  };
}

/** The value of a curve at a position among its points, along straight lines over the log of a parameter. */
export function between(xs, ys, x) {
  const at = Math.log(x);
  const logs = xs.map(Math.log);
  if (at <= logs[0]) return ys[0];
  for (let i = 1; i < logs.length; i++) {
    if (at <= logs[i]) {
      const share = (at - logs[i - 1]) / (logs[i] - logs[i - 1]);
      return ys[i - 1] + share * (ys[i] - ys[i - 1]);
    }
  }
  return ys.at(-1);
}
