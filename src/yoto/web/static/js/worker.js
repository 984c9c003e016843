// Runs networks beside the page, which stays at hand meanwhile: onnxruntime in WebAssembly, on one thread, one run
// after the other. Takes {id, file, feeds: {name: [Float32Array, dims]}}, answers {id, outputs} or {id, problem}.

const vendor = new URL("../vendor/", import.meta.url);
const sessions = new Map();
let runtime = null;
let last = Promise.resolve();

async function load() {
  const ort = await import(new URL("ort.wasm.min.mjs", vendor));
  ort.env.wasm.wasmPaths = vendor.href;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.proxy = false;
  ort.env.logLevel = "error";
  return ort;
}

/** Opened once, with the first run. */
async function open(file) {
  const ort = await (runtime ??= load());
  const response = await fetch(file);
  if (!response.ok) throw new Error(`The network ${file.split("/").at(-1)} is not there (${response.status}).`);
  const options = { executionProviders: ["wasm"], enableCpuMemArena: false };
  return ort.InferenceSession.create(new Uint8Array(await response.arrayBuffer()), options);
}

async function session(file) {
  if (!sessions.has(file)) sessions.set(file, open(file));
  try {
    return await sessions.get(file);
  } catch (error) {
    sessions.delete(file);
    runtime = null;
    throw error;
  }
}

async function answer({ id, file, feeds }) {
  try {
    const network = await session(file);
    const { Tensor } = await runtime;
    const given = Object.entries(feeds).map(([name, [data, dims]]) => [name, new Tensor("float32", data, dims)]);
    const found = await network.run(Object.fromEntries(given));
    const outputs = Object.fromEntries(Object.entries(found).map(([name, tensor]) => [name, tensor.data.slice()]));
    postMessage({ id, outputs }, Object.values(outputs).map((data) => data.buffer));
  } catch (error) {
    postMessage({ id, problem: String(error?.message ?? error) });
  }
}

addEventListener("message", ({ data }) => {
  last = last.then(() => answer(data));
});
