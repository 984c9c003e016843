// The networks in the browser, for a copy of the pages without a server. Pictures do not leave the page.

import { el, loaded } from "./common.js";
import { visible } from "./visible.js";
import { normal } from "./random.js";

const root = new URL("../", import.meta.url);
// A function whose only instruction makes a vector of sixteen bytes: valid where WebAssembly has SIMD.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11];

/** The worker that runs networks; started with the first run. */
class Networks {
  constructor() {
    this.worker = null;
    this.waiting = new Map();
    this.count = 0;
  }

  /** Outputs by name as Float32Array. `feeds`: [Float32Array, dims] by input. */
  run(file, feeds) {
    this.worker ??= this.start();
    const id = this.count++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, file: new URL(file, root).href, feeds });
    });
  }

  start() {
    if (typeof Worker === "undefined" || typeof WebAssembly === "undefined" || !WebAssembly.validate(new Uint8Array(SIMD))) {
      throw new Error("This page computes in WebAssembly with SIMD. This browser has none, or it is switched off.");
    }
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data: { id, outputs, problem } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (problem === undefined) resolve(outputs);
      else reject(new Error(`The network could not be run in this browser: ${problem}`));
    });
    worker.addEventListener("error", () => {
      for (const { reject } of this.waiting.values()) reject(new Error("The network could not be loaded. Is the connection there?"));
      this.waiting.clear();
      this.worker = null;
    });
    return worker;
  }
}
const networks = new Networks();

/** λ as numbers by column: fixed ones and those given. */
function lambda({ columns, fixed }, given) {
  return Float32Array.from(columns, (column) => given[column] ?? fixed[column] ?? 0);
}

/** Pixels of something drawable at a size: Uint8ClampedArray [height, width, 4]. */
function pixels(image, width, height, [left, top, across, down]) {
  const context = el("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, across, down, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** A canvas with a picture given as Uint8ClampedArray [height, width, 4]. */
function canvas(data, width, height) {
  const result = el("canvas", { width, height });
  result.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return result;
}

/** [height, width, 4] to planes [3, tall, wide] in [0, 1]; the last row and column are repeated up to the larger size. */
function planes(data, width, height, wide, tall) {
  const result = new Float32Array(3 * tall * wide);
  for (let c = 0, at = 0; c < 3; c++) {
    for (let y = 0; y < tall; y++) {
      const row = Math.min(y, height - 1) * width;
      for (let x = 0; x < wide; x++, at++) result[at] = data[4 * (row + Math.min(x, width - 1)) + c] / 255;
    }
  }
  return result;
}

/** The upper left of planes [3, tall, wide] as [height, width, 4], rounded and clamped by the kind of the array. */
function interleaved(values, width, height, wide, tall) {
  const result = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) result[4 * (y * width + x) + c] = 255 * values[(c * tall + y) * wide + x];
    }
  }
  return result;
}

const luma = (data, i) => 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];

/** The integer below, in sixty-fourths rounded first: how Pillow converts to YCbCr and back. */
const below = (value) => Math.floor(value + 1 / 128);

/** Put the colours of a photograph under the brightness of a painting, in place; both [height, width, 4]. */
function recolour(painted, photograph) {
  for (let i = 0; i < painted.length; i += 4) {
    const y = below(luma(painted, i));
    const under = luma(photograph, i);
    const blue = below(0.564334 * (photograph[i + 2] - under));
    const red = below(0.713267 * (photograph[i] - under));
    painted[i] = y + below(1.402 * red);
    painted[i + 1] = y + below(-0.344136 * blue - 0.714136 * red);
    painted[i + 2] = y + below(1.772 * blue);
  }
}

/** @param info api/style.json; answers {url, facts: {width, height}} to a picture and a setting */
export async function painter(info) {
  const { file, channels, smallest, outputs: [output] } = info.network;
  const urls = { true: [], false: [] };

  /** The URL of a picture as PNG; of each kind the last two stay. */
  async function published(picture, preview) {
    const blob = await new Promise((done) => picture.toBlob(done, "image/png"));
    if (!blob) throw new Error("There is not enough memory for this picture. Use a smaller one.");
    const kept = urls[preview];
    kept.push(URL.createObjectURL(blob));
    if (kept.length > 2) URL.revokeObjectURL(kept.shift());
    return kept.at(-1);
  }

  function parameters({ style, strength, layers, smoothness }) {
    const { low, high } = info.weight;
    const total = Object.values(style).reduce((a, b) => a + b, 0);
    const weights = Object.entries(style).map(([name, weight]) => [`${info.painting}:${name}`, weight / total]);
    return lambda({ ...info, ...info.network }, {
      ...layers, smoothness, style: low * (high / low) ** strength, ...Object.fromEntries(weights),
    });
  }

  return async ({ picture, keep_colours: keep, preview, ...setting }) => {
    const image = await loaded(picture.url);
    const scale = preview ? Math.min(1, info.preview / Math.max(picture.width, picture.height)) : 1;
    const [width, height] = [picture.width, picture.height].map((length) => Math.max(1, Math.round(length * scale)));
    const photograph = pixels(image, width, height, [0, 0, image.naturalWidth, image.naturalHeight]);
    const alpha = visible(photograph, width, height);
    const [wide, tall] = [width, height].map((length) => Math.max(smallest, length));
    const values = parameters(setting);
    const found = await networks.run(file, {
      image: [planes(photograph, width, height, wide, tall), [1, 3, tall, wide]],
      lambda: [values, [values.length]],
      statistics: [new Float32Array(2 * channels), [2, channels]],
      given: [new Float32Array(1), []],
    });
    const painted = interleaved(found[output], width, height, wide, tall);
    if (keep) recolour(painted, photograph);
    if (alpha) alpha.forEach((value, i) => { painted[4 * i + 3] = value; });
    return { url: await published(canvas(painted, width, height), preview), facts: { width, height } };
  };
}

/** Images [N, C, side, side] in [0, 1] in rows of `columns` as a canvas. */
function strip(values, channels, side, columns) {
  const area = side * side;
  const count = values.length / (channels * area);
  const [width, height] = [columns * side, (count / columns) * side];
  const result = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let n = 0; n < count; n++) {
    const corner = Math.floor(n / columns) * side * width + (n % columns) * side;
    for (let i = 0; i < area; i++) {
      const to = 4 * (corner + Math.floor(i / side) * width + (i % side));
      for (let c = 0; c < 3; c++) result[to + c] = 255 * values[(n * channels + (c % channels)) * area + i];
    }
  }
  return canvas(result, width, height);
}

/** A square part of something drawable as [C, side, side] in [0, 1]. */
function tile(image, box, channels, side) {
  const data = pixels(image, side, side, box);
  if (channels === 3) return planes(data, side, side, side, side);
  return Float32Array.from({ length: side * side }, (_, i) => Math.round(luma(data, 4 * i)) / 255);
}

const joined = (parts) => {
  const result = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
};

/** A model of api/vae.json at hand. */
class Autoencoder {
  constructor(facts, count) {
    this.facts = facts;
    this.count = count;
    this.tiles = null;
    this.outputs = facts.likelihood === "gaussian" ? 2 : 1;
  }

  /** The examples as tiles, the user's picture in the first place where there is one. */
  async images(own) {
    const { side, channels, examples } = this.facts;
    if (!this.tiles && examples) {
      const image = await loaded(examples);
      this.tiles = Array.from({ length: image.naturalWidth / side }, (_, i) => tile(image, [i * side, 0, side, side], channels, side));
    }
    const others = this.tiles ?? [];
    if (!own) return others;
    const edge = Math.min(own.width, own.height);
    const box = [Math.floor((own.width - edge) / 2), Math.floor((own.height - edge) / 2), edge, edge];
    return [tile(own, box, channels, side), ...others.slice(0, this.count - 1)];
  }

  /** A method of the network for `count` rows: its outputs in their order. */
  async run(method, input, data, dims, beta) {
    const { file, outputs } = this.facts.networks[method];
    const row = lambda(this.facts, { kl: beta });
    const rows = joined(Array.from({ length: dims[0] }, () => row));
    const found = await networks.run(file, { [input]: [data, dims], lambda: [rows, [dims[0], row.length]] });
    return outputs.map((name) => found[name]);
  }

  /** Means and standard deviations [N, Z] of images. */
  encode(tiles, beta) {
    const { side, channels, likelihood } = this.facts;
    const data = joined(tiles);
    const scaled = likelihood === "gaussian" ? data.map((v) => 2 * v - 1) : data;
    return this.run("encode", "x", scaled, [tiles.length, channels, side, side], beta);
  }

  /** The expected images [N, C, side, side] in [0, 1] of latents. */
  async decode(z, beta) {
    const { latents, channels, side, likelihood } = this.facts;
    const [found] = await this.run("decode", "z", z, [z.length / latents, latents], beta);
    if (likelihood !== "gaussian") return found.map((v) => 1 / (1 + Math.exp(-v)));
    const size = channels * side * side;
    const means = Array.from({ length: z.length / latents }, (_, n) => found.subarray(2 * n * size, (2 * n + 1) * size));
    return joined(means).map((v) => Math.min(1, Math.max(0, (v + 1) / 2)));
  }
}

/** What is told of reconstructions: PSNR in dB, KL in nats, latents in use. */
function measured(images, decoded, mean, sigma, count) {
  const latents = mean.length / count;
  const squared = images.reduce((sum, value, i) => sum + (value - decoded[i]) ** 2, 0) / images.length;
  const kl = new Float64Array(latents);
  mean.forEach((m, i) => { kl[i % latents] += (0.5 * (m * m + sigma[i] * sigma[i] - 1) - Math.log(sigma[i])) / count; });
  return {
    psnr: -10 * Math.log10(Math.max(squared, 1e-10)),
    kl: kl.reduce((a, b) => a + b, 0),
    active: kl.filter((value) => value > 0.01).length,
  };
}

/** A row of latents per dimension, which goes from -span to span while the others stay. */
function traversed(mean, dimensions, steps, span) {
  return joined(dimensions.flatMap((dimension) => Array.from({ length: steps }, (_, i) => {
    const z = mean.slice();
    z[dimension] = -span + (2 * span * i) / (steps - 1);
    return z;
  })));
}

/** @param info api/vae.json; answers {facts, strips} to a model, β, a seed, a picture and whose latents to traverse */
export async function autoencoder(info) {
  const models = new Map(info.models.map((facts) => [facts.model, new Autoencoder(facts, info.count)]));
  return async ({ model: name, beta, seed, picture, traverse }) => {
    const model = models.get(name);
    const { channels, side, latents } = model.facts;
    const drawn = (values, columns) => strip(values, channels, side, columns);
    const tiles = await model.images(picture);
    const count = tiles.length;
    let [facts, strips] = [{}, {}];
    if (count) {
      const [mean, sigma] = await model.encode(tiles, beta);
      const decoded = await model.decode(mean, beta);
      const number = Math.min(Math.max(traverse, 0), count - 1);
      const own = (values) => values.slice(number * latents, (number + 1) * latents);
      const widths = own(sigma);
      const dimensions = [...widths.keys()].sort((a, b) => widths[a] - widths[b]).slice(0, info.dimensions);
      const images = joined(tiles);
      facts = { ...measured(images, decoded, mean, sigma, count), dimensions, traversed: number };
      strips = {
        originals: drawn(images, count),
        reconstructions: drawn(decoded, count),
        traversals: drawn(await model.decode(traversed(own(mean), dimensions, info.steps, info.span), beta), info.steps),
      };
    }
    strips.samples = drawn(await model.decode(normal(info.count * latents, seed), beta), info.count);
    return { facts, strips };
  };
}
