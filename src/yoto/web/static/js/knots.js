// Figures of a picture at a few settings, and estimates between them.

import { smooth } from "./scale.js";

const PLACES = [0, 100, 50, 25, 75, 12];

/** The level of a quality, as the codec rounds it: halves to the even one. */
function level(quality) {
  const rounded = Math.round(2.55 * quality);
  return rounded - 2.55 * quality === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

/** The roundest number that codes the same file as a level's quality. */
export const named = (quality) => (level(Math.round(quality)) === Math.round(2.55 * quality) ? Math.round(quality) : Math.round(10 * quality) / 10);

/** The files of one picture over the quality. */
export class Knots {
  /** @param pixels of the picture; @param ready called with {x, y, settings}, the curve and the qualities of its points, once there is one */
  constructor(pixels, ready) {
    this.pixels = pixels;
    this.tell = ready;
    this.found = new Map();
    this.last = null;
    this.exact = true; // whether the whole picture was measured, not a sample of it
  }

  get ready() {
    return PLACES.every((place) => this.found.has(place));
  }

  /** Take in a result of the whole picture. */
  add(quality, { bytes, psnr }) {
    this.last = { quality, bytes, psnr };
    if (this.exact && this.ready) {
      this.found.set(quality, { bytes, psnr });
      this.fit();
    }
  }

  /** Take in what was measured at one more quality, where its level lies. */
  learn(quality, { bytes, psnr }) {
    this.found.set(level(quality) / 2.55, { bytes, psnr });
    this.fit();
  }

  /** Measure what is missing by ask(quality), as long as still() says so. */
  async measure(ask, still) {
    for (const place of PLACES) {
      if (!still()) return;
      if (this.found.has(place)) continue;
      const { bytes, psnr, whole } = await ask(place);
      if (!whole) this.exact = false;
      this.found.set(place, { bytes, psnr });
    }
    if (!still()) return;
    if (this.exact && this.last) this.found.set(this.last.quality, this.last);
    this.fit();
  }

  fit() {
    const places = [...this.found.keys()].sort((a, b) => a - b);
    const of = (name) => smooth(places, places.map((place) => this.found.get(place)[name]));
    const logs = smooth(places, places.map((place) => Math.log(this.found.get(place).bytes)));
    this.bytes = (quality) => Math.exp(logs(quality));
    this.psnr = of("psnr");
    const shown = PLACES.map((place) => [place, this.at(place)]).sort((a, b) => a[0] - b[0]);
    this.tell({ x: shown.map(([, p]) => p.bpp), y: shown.map(([, p]) => p.psnr), settings: shown.map(([place]) => place) });
  }

  /** The lowest level's quality that was measured to reach a PSNR, or the next after a few trials, from one nearby. */
  async closeIn(psnr, near, ask) {
    let at = near;
    for (let trial = 0; trial < 4; trial++) {
      this.learn(at, await ask(at));
      const next = named(Math.ceil(2.55 * (this.reaching(psnr) ?? at) - 0.001) / 2.55);
      if (level(next) === level(at)) break;
      at = next;
    }
    return at;
  }

  /** The lowest quality that reaches a PSNR, or null where that lies at or beyond the ends. */
  reaching(psnr) {
    let [low, high] = [0, 100];
    if (!(this.at(low).psnr < psnr && psnr < this.at(high).psnr)) return null;
    while (high - low > 0.0001) {
      const middle = (low + high) / 2;
      if (this.at(middle).psnr < psnr) low = middle;
      else high = middle;
    }
    return high;
  }

  /** The figures at a quality, or null as long as they cannot be told. */
  at(quality) {
    if (!this.bytes) return null;
    let [bytes, psnr] = [this.bytes(quality), this.psnr(quality)];
    if (!this.exact && this.last) {
      bytes *= this.last.bytes / this.bytes(this.last.quality);
      psnr += this.last.psnr - this.psnr(this.last.quality);
    }
    return { bytes, psnr, bpp: (8 * bytes) / this.pixels };
  }
}
