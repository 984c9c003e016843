import torch

from yoto.support.seeds import derive, generator, noise_seed


def test_a_stream_depends_on_seed_and_keys_alone():
    assert derive(0, "noise", 5) == derive(0, "noise", 5)
    others = {derive(seed, name, step) for seed in (0, 1) for name in ("noise", "lambda") for step in range(10)}
    assert len(others) == 40
    assert all(0 <= value < 2**63 for value in others)


def test_derived_seeds_never_change():
    assert derive(0, "init") == 7797302695267191734
    assert noise_seed(0, 3) == 13678853354248193


def test_generators_of_one_stream_draw_the_same():
    draws = [torch.rand(3, generator=generator(1, "lambda", 2)) for _ in range(2)]
    assert torch.equal(*draws)
