// Colours where a picture is transparent: continued from what can be seen, as the package does it.

/** Sums over squares of 2x2 of [h, w, 4], the last of which is the weight. */
function halved({ sums, width, height }) {
  const [wide, tall] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const result = new Float32Array(4 * wide * tall);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [from, to] = [4 * (y * width + x), 4 * ((y >> 1) * wide + (x >> 1))];
      for (let c = 0; c < 4; c++) result[to + c] += sums[from + c];
    }
  }
  return { sums: result, width: wide, height: tall };
}

/**
 * Make a picture [height, width, 4] opaque in place: each pixel under alpha 0 takes the mean of the smallest square around
 * it, of sides 2, 4, 8 and so on, in which something is visible.
 * @returns its alpha channel, or null where it is opaque
 */
export function visible(data, width, height) {
  const count = width * height;
  const alpha = new Uint8ClampedArray(count);
  let [least, most] = [255, 0];
  for (let i = 0; i < count; i++) {
    alpha[i] = data[4 * i + 3];
    least = Math.min(least, alpha[i]);
    most = Math.max(most, alpha[i]);
  }
  if (least === 255) return null;
  let level = { sums: new Float32Array(4 * count), width, height };
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) level.sums[4 * i + c] = data[4 * i + c] * alpha[i];
    level.sums[4 * i + 3] = alpha[i];
    data[4 * i + 3] = 255;
  }
  let missing = most && least === 0 ? [...alpha.keys()].filter((i) => alpha[i] === 0) : [];
  for (let step = 1; missing.length; step++) {
    level = halved(level);
    missing = missing.filter((i) => {
      const from = 4 * (((Math.floor(i / width)) >> step) * level.width + ((i % width) >> step));
      const weight = level.sums[from + 3];
      if (!weight) return true;
      for (let c = 0; c < 3; c++) data[4 * i + c] = level.sums[from + c] / weight;
      return false;
    });
  }
  return alpha;
}
