// Words with an explanation: <button class="term" data-tip="…">word</button>. It shows on hover, focus, click and touch.

let count = 0;
let shown = null;

function hide() {
  shown?.tip.hidePopover?.();
  shown?.word.setAttribute("aria-expanded", "false");
  shown = null;
}

function show(word) {
  if (shown?.word === word) return;
  hide();
  const tip = tipOf(word);
  tip.showPopover?.();
  word.setAttribute("aria-expanded", "true");
  const at = word.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.left + at.width / 2 - width / 2), document.documentElement.clientWidth - width - 8);
  const above = at.top > height + 12;
  tip.style.left = `${left}px`;
  tip.style.top = `${above ? at.top - height - 6 : at.bottom + 6}px`;
  shown = { word, tip };
}

/** The element that explains a word; made when it is first needed. */
function tipOf(word) {
  const known = document.getElementById(word.getAttribute("aria-describedby"));
  if (known) {
    known.textContent = word.dataset.tip;
    return known;
  }
  const tip = document.createElement("span");
  tip.id = `tip-${++count}`;
  tip.className = "tip";
  tip.setAttribute("role", "tooltip");
  tip.setAttribute("popover", "manual");
  tip.textContent = word.dataset.tip;
  word.after(tip);
  word.setAttribute("aria-describedby", tip.id);
  return tip;
}

const wordOf = (event) => (event.target instanceof Element ? event.target.closest(".term") : null);

/** Explain the words of a document, those to come as well. */
export function explain(page) {
  page.addEventListener("pointerover", (event) => {
    const word = wordOf(event);
    if (event.pointerType === "mouse" && word) show(word);
  });
  page.addEventListener("pointerout", (event) => {
    if (event.pointerType === "mouse" && shown && wordOf(event) === shown.word && document.activeElement !== shown.word) hide();
  });
  page.addEventListener("focusin", (event) => { const word = wordOf(event); if (word?.matches(":focus-visible")) show(word); else if (!word) hide(); });
  page.addEventListener("focusout", (event) => { if (wordOf(event)) hide(); });
  page.addEventListener("click", (event) => {
    const word = wordOf(event);
    if (!word) return hide();
    event.preventDefault();
    if (event.pointerType === "mouse" || shown?.word !== word) show(word);
    else hide();
  });
  page.addEventListener("keydown", (event) => { if (event.key === "Escape" && shown) { event.stopPropagation(); hide(); } }, true);
  page.defaultView.addEventListener("scroll", hide, { passive: true });
}
