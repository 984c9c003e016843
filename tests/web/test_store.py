"""What is kept, for how long and for whom."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoto.web.errors import GoneError
from yoto.web.store import Store

MOST, EACH, SECONDS = 100, 3, 10.0
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(0, 120)),
        st.tuples(st.just("get"), st.integers(0, 40), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 4.0, 11.0]), st.none()),
    ),
    max_size=60,
)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Plain:
    """The same promises, written down without haste: a list with the one unused for longest in front."""

    def __init__(self, clock):
        self.kept, self.clock = [], clock

    def expire(self):
        self.kept = [each for each in self.kept if each["used"] >= self.clock() - SECONDS]

    def put(self, value, size, owner):
        self.expire()
        while len([each for each in self.kept if each["owner"] == owner]) >= EACH:
            self.kept.remove(next(each for each in self.kept if each["owner"] == owner))
        while self.kept and sum(each["size"] for each in self.kept) + size > MOST:
            self.kept.pop(0)
        self.kept.append({"value": value, "size": size, "owner": owner, "used": self.clock()})

    def get(self, value):
        self.expire()
        found = next((each for each in self.kept if each["value"] == value), None)
        if found is not None:
            found["used"] = self.clock()
            self.kept.remove(found)
            self.kept.append(found)
        return found is not None


@given(STEPS)
def test_it_keeps_what_its_promises_say(steps):
    clock = Clock()
    store, plain, names = Store("value", MOST, EACH, SECONDS, clock), Plain(clock), []
    for number, (what, first, second) in enumerate(steps):
        if what == "put":
            names.append((store.put(number, second, first), number))
            plain.put(number, second, first)
        elif what == "wait":
            clock.now += first
        elif names:
            name, value = names[first % len(names)]
            if plain.get(value):
                assert store.get(name) == value
            else:
                with pytest.raises(GoneError):
                    store.get(name)
        assert [entry.value for entry in store.entries.values()] == [each["value"] for each in plain.kept]
        sizes = [entry.size for entry in store.entries.values()]
        assert store.size == sum(sizes)
        assert store.size <= MOST or len(sizes) == 1
        owners = [entry.owner for entry in store.entries.values()]
        assert max(map(owners.count, owners), default=0) <= EACH
        used = [entry.used for entry in store.entries.values()]
        assert used == sorted(used)


def test_use_keeps_a_value_alive():
    clock = Clock()
    store = Store("value", MOST, EACH, SECONDS, clock)
    name = store.put("x", 1, "a")
    for _ in range(5):
        clock.now += 9
        assert store.get(name) == "x"
    clock.now += 11
    with pytest.raises(GoneError, match="This value is no longer kept here"):
        store.get(name)
    assert store.size == 0


def test_names_differ_and_cannot_be_guessed():
    store = Store("value", 10**9, 10**6)
    names = {store.put(0, 1, "a") for _ in range(500)}
    assert len(names) == 500
    assert min(map(len, names)) >= 20


def test_threads_do_not_disturb_each_other():
    store, failed = Store("value", 50, 5), []

    def work(owner):
        for number in range(300):
            name = store.put(number, 3, owner)
            try:
                if store.get(name) != number:
                    failed.append(number)
            except GoneError:  # other threads may have pushed it out
                pass

    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert store.size == sum(entry.size for entry in store.entries.values()) <= 50
