// What every page uses: elements, requests, the order of work, messages.

const root = document.documentElement;
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

const client = (() => {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
})();

/** Say in the page what went wrong; "" takes it away. */
let fading;
export function problem(message) {
  const box = $("problem");
  clearTimeout(fading);
  box.hidden = !message;
  box.textContent = message;
  if (message) fading = setTimeout(() => problem(""), 12000);
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

/** Ask the server. `body`: an object (JSON), a Blob (as it is) or nothing (GET). Busy answers are waited out. */
export async function ask(path, body, waiting = () => {}) {
  const options = { headers: { "X-Yoto-Client": client } };
  if (body !== undefined) {
    options.method = "POST";
    const blob = body instanceof Blob;
    options.body = blob ? body : JSON.stringify(body);
    options.headers["Content-Type"] = blob ? "application/octet-stream" : "application/json";
  }
  for (let attempt = 0; ; attempt++) {
    let response;
    try {
      response = await fetch(path, options);
    } catch {
      throw new Error("The server does not answer. Is it still running?");
    }
    if (response.ok) return response.json();
    const said = await response.json().catch(() => ({}));
    if (response.status === 503 && attempt < 30) {
      waiting(said.error);
      await pause(Number(response.headers.get("Retry-After") ?? 1) * (0.5 + Math.random()));
      continue;
    }
    throw new Error(said.error ?? `The server answered ${response.status}.`);
  }
}

/** One piece of work at a time; of those that come meanwhile only the newest is done. */
export class Latest {
  constructor(state) {
    this.state = state;
    this.next = null;
    this.running = null;
  }

  run(work) {
    this.next = work;
    this.running ??= this.loop();
    return this.running;
  }

  async loop() {
    this.state?.(true);
    try {
      while (this.next) {
        const work = this.next;
        this.next = null;
        try {
          await work(() => this.next !== null);
        } catch (error) {
          problem(error.message);
        }
      }
    } finally {
      this.running = null;
      this.state?.(false);
    }
  }
}

/** A picture, once it can be painted. */
export async function loaded(url) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    throw new Error("This picture is no longer kept. Choose it again, or move a slider.");
  }
  return image;
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

/** A text as one word of a shell command. */
export const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

export const number = (value, digits = 3) =>
  Number(value).toLocaleString("en", { maximumSignificantDigits: digits, useGrouping: false });
export const whole = (value) => Math.round(value).toLocaleString("en");

/** How many separately trained networks the model stands for: visited settings, and all positions of the sliders. */
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
      ? "This setting alone would take a network trained for it. "
      : `You have looked at ${whole(n)} settings: ${whole(n)} separately trained networks otherwise. `) +
      `This one stands for ${all} of them, one per position of the sliders.`;
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
    box.append(el("div", { class: "row" }, button), el("pre", {}, code));
    parts[name] = code;
  }
  place.append(box);
  return (texts) => {
    for (const [name, code] of Object.entries(parts)) code.textContent = texts[name];
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
