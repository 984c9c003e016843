// The numbers that torch.randn draws, so that samples are those of the Python package for the same seed.

const [SIZE, SHIFT] = [624, 397];

/** The Mersenne twister, 32 bits per call. */
function twister(seed) {
  const state = new Uint32Array(SIZE);
  state[0] = seed;
  for (let i = 1; i < SIZE; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let next = SIZE;
  return () => {
    if (next === SIZE) {
      for (let i = 0; i < SIZE; i++) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
        state[i] = state[(i + SHIFT) % SIZE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      next = 0;
    }
    let y = state[next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

/** As torch.randn(count, generator=torch.Generator().manual_seed(seed)) for count ≥ 16. */
export function normal(count, seed) {
  const random = twister(seed);
  const values = new Float32Array(count);
  const fill = (start, end) => { for (let i = start; i < end; i++) values[i] = (random() & 0xffffff) / 2 ** 24; };
  const turn = (start) => {
    for (let i = start; i < start + 8; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
      const angle = 2 * Math.PI * values[i + 8];
      values[i] = radius * Math.cos(angle);
      values[i + 8] = radius * Math.sin(angle);
    }
  };
  fill(0, count);
  for (let start = 0; start + 16 <= count; start += 16) turn(start);
  if (count % 16) {
    fill(count - 16, count);
    turn(count - 16);
  }
  return values;
}
