// The settings of a page in its address: to be shared on one machine, and for Back and Forward.

/**
 * @param read the settings as a flat object of texts and numbers
 * @param write takes such an object and sets the page to it
 * @returns save(): puts what differs from the beginning into the address; reset(): back to the beginning
 */
export function address(read, write) {
  const clean = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
  const first = clean(read());
  const here = () => Object.fromEntries(new URLSearchParams(location.search));
  const known = (values) => Object.fromEntries(Object.entries(values).filter(([name]) => name in first));
  addEventListener("popstate", () => write({ ...first, ...known(here()) }));
  return {
    /** What the address asked for when the page was opened. */
    given: known(here()),
    save() {
      const values = clean(read());
      const query = new URLSearchParams(Object.entries(values).filter(([name, value]) => value !== first[name])).toString();
      const next = location.pathname + (query ? `?${query}` : "");
      if (next !== location.pathname + location.search) history.pushState(null, "", next);
    },
    reset(keep = []) {
      const present = clean(read());
      write({ ...first, ...Object.fromEntries(keep.filter((name) => name in present).map((name) => [name, present[name]])) });
    },
  };
}
