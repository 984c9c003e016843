// Choosing by eye: two results side by side, question after question, as `yoto select --ask` asks them.

import { question } from "./asking.js";
import { ask, el, isStatic, loaded, problem } from "./common.js";

const SMALL = 400; // pixels across, below which a picture is shown pixel by pixel
const KEYS = { 1: "first", 2: "second", "=": "same" };

/**
 * @param place element that gets the button which opens the questions
 * @param options page: its name; what: what is chosen, in words; model(): which of the page's models; picture(point): the
 *   address of a picture at a setting; take(point): set the page to it; say(point): it in words;
 *   along(): {name, low, high} of the parameter, where a page without a server asks by itself
 */
export function choosing(place, { page, what, picture, take, say, along, model = () => "" }) {
  let answers = [];
  let found = null; // the favourite so far
  let turn = 0; // of the questions that are shown: answers to others are late
  let open = false; // for an answer
  const images = [1, 2].map((number) => el("img", { alt: `Result ${number}` }));
  const note = el("p", { class: "note", role: "status" });
  const button = (text, act, more = {}) => el("button", { type: "button", onclick: act, ...more }, text);
  const choices = [["first", "1 is better"], ["same", "As good (=)"], ["second", "2 is better"]]
    .map(([answer, text]) => button(text, () => answered(answer), { "data-answer": answer }));
  const enough = button("That will do", () => end(), { class: "quiet" });
  const dialog = el("dialog", { class: "choosing", "aria-labelledby": "h-choosing" },
    el("h2", { id: "h-choosing" }, `Choose ${what} by eye`),
    el("div", { class: "pair" }, ...images.map((image, i) => el("figure", {}, image, el("figcaption", {}, String(i + 1))))),
    note, el("p", { class: "actions" }, ...choices), el("p", { class: "actions" }, enough, button("Cancel", () => dialog.close(), { class: "quiet" })));
  document.body.append(dialog);

  const busy = (on) => {
    open = !on;
    dialog.toggleAttribute("data-busy", on);
    for (const choice of choices) choice.setAttribute("aria-disabled", String(on)); // the focus stays on it
  };

  /** Ask the next question, or end where there is none. */
  async function next() {
    const mine = ++turn;
    busy(true);
    note.textContent = "";
    try {
      const next = isStatic ? question(along(), answers) : await ask(`api/choose/${page}`, { answers, model: model() });
      if (mine !== turn) return;
      found = next.found;
      if (!next.pair) return end();
      const shown = [];
      for (const point of next.pair) shown.push(await loaded(await picture(point)));
      if (mine !== turn) return;
      images.forEach((image, i) => {
        image.src = shown[i].src;
        image.classList.toggle("pixels", shown[i].naturalWidth < SMALL);
      });
      note.textContent = `${next.number} of ${next.total}: which of the two is better?`;
      enough.disabled = !answers.length;
      busy(false);
    } catch (error) {
      if (mine !== turn) return;
      dialog.close();
      problem(error.message);
    }
  }

  function answered(answer) {
    if (!open) return;
    answers.push(answer);
    next();
  }

  function end() {
    const point = found;
    dialog.close();
    take(point);
    said.textContent = `Chosen by eye: ${say(point)}.`;
  }

  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the keys of the page behind it
    if (KEYS[event.key]) answered(KEYS[event.key]);
  });
  dialog.addEventListener("close", () => { turn += 1; });
  const said = el("span", { class: "note", role: "status" });
  place.append(el("p", { class: "actions" }, button("Choose by eye", () => {
    answers = [];
    said.textContent = "";
    for (const image of images) image.removeAttribute("src");
    enough.disabled = true;
    dialog.showModal();
    next();
  }, { class: "quiet byeye", title: `Two results at a time: say which is better, and ${what} is found` }), said));
}
