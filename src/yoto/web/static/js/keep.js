// Pictures of the user's in this browser, so that they outlive reloads, other pages and a restarted server.

const MOST = 8; // pictures that are kept
const memory = new Map(); // where the browser keeps nothing, say in a private window

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("yoto", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("pictures", { keyPath: "key" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

let base = null;
async function act(mode, work) {
  const store = (await (base ??= opened())).transaction("pictures", mode).objectStore("pictures");
  return new Promise((resolve, reject) => {
    const request = work(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Keep an entry {key, name, blob, …}; the oldest give way. */
export async function put(entry) {
  memory.set(entry.key, entry);
  try {
    await act("readwrite", (store) => store.put(entry));
    for (const old of (await all()).slice(MOST)) await drop(old.key);
  } catch {
    // it stays in memory
  }
}

/** An entry, or undefined. */
export async function get(key) {
  try {
    return memory.get(key) ?? (await act("readonly", (store) => store.get(key)));
  } catch {
    return memory.get(key);
  }
}

export async function drop(key) {
  memory.delete(key);
  try {
    await act("readwrite", (store) => store.delete(key));
  } catch {
    // it was in memory alone
  }
}

/** All pictures, the newest first. */
export async function all() {
  const found = new Map(memory);
  try {
    for (const entry of await act("readonly", (store) => store.getAll())) found.set(entry.key, entry);
  } catch {
    // those in memory
  }
  return [...found.values()].filter((entry) => entry.key !== PENDING).sort((a, b) => b.at - a.at);
}

const PENDING = "pending";
/** Leave a file for the page that is opened next. */
export const leave = (file) => put({ key: PENDING, name: file.name, blob: file, at: Date.now() });
/** The file that another page left, once. */
export async function taken() {
  const found = await get(PENDING);
  if (found) await drop(PENDING);
  return found && new File([found.blob], found.name);
}

/** The picture that was worked on last, on whatever page. */
export const last = {
  get key() { try { return localStorage["yoto.picture"] ?? null; } catch { return null; } },
  set key(value) { try { localStorage["yoto.picture"] = value; } catch { /* then not */ } },
};
