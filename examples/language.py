"""Language modelling: one transformer for every label smoothing and distillation temperature.

The King James Bible, letter by letter (Debian's bible-kjv with bible-kjv-text). The network is GPT-2 of the library
transformers, small and random. A teacher is trained first; a student's loss is half the smoothed cross entropy and half
the Kullback-Leibler divergence from the teacher at a temperature. Both settings are usually fixed before training and
decide how well probabilities are calibrated. Compared with networks trained for one setting: negative log-likelihood in
nats per letter, and expected calibration error (ECE). For your own text, give `load` another string.
"""

import subprocess
from functools import partial

import common
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div
from transformers import GPT2Config, GPT2LMHeadModel

import yoto

BATCH, STEPS, LR, CONTEXT = 16, 600, 0.01, 64
SMOOTHING, TEMPERATURE = yoto.Uniform(0.0, 0.3, weight=False), yoto.LogUniform(1.0, 4.0, weight=False)
SPACE = yoto.LossSpace(hard=0.5, soft=0.5, smoothing=SMOOTHING, temperature=TEMPERATURE)
SETTINGS = ((0.0, 1.0), (0.3, 1.0), (0.0, 4.0), (0.15, 2.0))


def load(smoke: bool) -> tuple[dict[str, Tensor], int]:
    """Letters by number, [N], for training, validation and test (90, 5 and 5 % of the text), and how many there are."""
    if smoke:
        text = "in the beginning was the word and the word was with god " * 100
    else:
        program = common.package_file("/usr/bin/bible", "bible-kjv")
        common.package_file("/usr/lib/bible.data", "bible-kjv-text")
        verses = subprocess.run([program, "-f", "gen1:1-rev22:21"], capture_output=True, text=True, check=True).stdout  # noqa: S603
        text = "\n".join(line.partition(" ")[2] for line in verses.splitlines())
    number = {letter: place for place, letter in enumerate(sorted(set(text)))}
    tokens = torch.tensor([number[letter] for letter in text])
    first, second = int(0.9 * len(tokens)), int(0.95 * len(tokens))
    return {"train": tokens[:first], "validation": tokens[first:second], "test": tokens[second:]}, len(number)


def windows(tokens: Tensor, n: int) -> Tensor:
    """Random pieces [n, CONTEXT + 1]."""
    return torch.stack([tokens[i : i + CONTEXT + 1] for i in torch.randint(len(tokens) - CONTEXT - 1, (n,))])


def network(letters: int) -> nn.Module:
    """GPT-2, small and random."""
    size = {"n_positions": CONTEXT, "n_embd": 64, "n_layer": 2, "n_head": 2, "bos_token_id": 0, "eos_token_id": 0}
    none = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=letters, **size, **none, use_cache=False))


class Terms:
    """The two halves of a student's loss, mean over the letters of each piece, [B]; of a teacher's the first alone."""

    def __init__(self, teacher: nn.Module | None) -> None:
        self.teacher = teacher

    def __call__(self, net: nn.Module, batch: Tensor, at: Tensor) -> dict[str, Tensor]:
        smoothing, temperature = (at[..., SPACE.index(name)].reshape(-1, 1, 1) for name in SPACE.free)
        logits, targets = net(input_ids=batch[:, :-1]).logits, batch[:, 1:]
        logs = logits.log_softmax(2)
        hard = -(1 - smoothing) * logs.gather(2, targets[..., None]) - smoothing * logs.mean(2, keepdim=True)
        if self.teacher is None:
            return {"hard": hard.mean((1, 2)), "soft": torch.zeros(len(batch))}
        with torch.no_grad():
            wanted = (self.teacher(input_ids=batch[:, :-1]).logits / temperature).softmax(2)
        soft = kl_div((logits / temperature).log_softmax(2), wanted, reduction="none").sum(2, keepdim=True)
        return {"hard": hard.mean((1, 2)), "soft": (temperature**2 * soft).mean((1, 2))}


def likelihood(net: nn.Module, batch: Tensor) -> Tensor:
    """Negative log-likelihood per letter in nats, [B]."""
    logits = net(input_ids=batch[:, :-1]).logits
    return cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none").mean(1)


def confidences(net: nn.Module, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Probability of the likeliest letter, and whether it is the right one, [B, T] each."""
    most = net(input_ids=batch[:, :-1]).logits.softmax(2).max(2)
    return most.values, most.indices == batch[:, 1:]


def calibration_error(confidence: Tensor, right: Tensor) -> float:
    """Expected calibration error over fifteen bins."""
    bins = (confidence * 15).long().clamp_max(14).flatten()
    gaps = torch.zeros(15).index_add(0, bins, (confidence - right.float()).flatten())
    return float(gaps.abs().sum() / confidence.numel())


METRICS = {
    "NLL": yoto.Metric(likelihood, better="lower"),
    "ECE": yoto.Metric(calibration_error, better="lower", whole=True, outputs=confidences),
}


def experiment(seed: int, smoke: bool, validation: bool = False) -> common.Result:
    """All networks of one seed, measured on test text, or compared on validation text to choose settings."""
    (text, letters), known = load(smoke), {"metrics": METRICS}
    torch.manual_seed(1)  # the same pieces for all seeds
    test, held = (list(windows(text[part], 8 if smoke else 400).split(100)) for part in ("test", "validation"))
    torch.manual_seed(seed)
    points = {f"smoothing {s:g}, temperature {t:g}": SPACE.point(smoothing=s, temperature=t) for s, t in SETTINGS}
    how = (yoto.Objective(SPACE), partial(windows, text["train"], BATCH), 2 if smoke else STEPS)
    teacher = common.train(network(letters), Terms(None), *how, SPACE.median(smoothing=0.0), lr=LR)
    terms = Terms(teacher.requires_grad_(False))
    # Somebody else's network: an example of its inputs shows what its layers do.
    model = yoto.condition(network(letters), SPACE, example={"input_ids": test[0][:3, :-1]})
    common.train(model, terms, *how, lr=LR)
    alone = [common.train(network(letters), terms, *how, point, lr=LR) for point in points.values()]
    if validation:
        return common.compared(model, alone, points, held, terms)
    # The question: the best calibrated student that is within 2 % of the best likelihood, by validation.
    ask = {**known, "seed": seed, "evaluations": 4 if smoke else 25}
    likeliest = yoto.select(model, held, terms, minimise="NLL", **ask)
    bound = f"NLL <= {1.02 * likeliest.values['NLL']}"
    found = yoto.select(model, held, terms, minimise="ECE", subject_to=[bound], **ask)
    overall = yoto.sweep(model, test, terms, SPACE.grid(2 if smoke else 5, kind="lattice"), **known)
    return {
        **common.compared(model, alone, points, test, terms, **known),
        "map": {"points": list(overall.points), **overall.metrics},
        "selected": common.at_point(model, test, terms, found.point, **known),
    }


def report(results: list[common.Result]) -> tuple[list[str], common.Figure]:
    """The table, what was chosen, and likelihood and calibration over both settings for the first seed."""
    likelihood, error = (common.over_seeds(results, "selected", name, digits=4) for name in METRICS)
    point = "seed 0: " + ", ".join(f"{name} {value:.2f}" for name, value in results[0]["selected"]["point"].items())
    paragraphs = [
        common.side_by_side(results, {name: name for name in METRICS}, 4),
        f"Least ECE within 2 % of the best NLL, by validation: on test text NLL {likelihood}, ECE {error} ({point}).",
    ]
    (figure, axes), own = common.axes_of(["Negative log-likelihood", "Calibration error (ECE)"]), results[0]["map"]
    for pair, metric in zip(axes, METRICS, strict=True):
        colours: dict[float, str] = {}
        for temperature in sorted({point["temperature"] for point in own["points"]}):
            chosen = [i for i, point in enumerate(own["points"]) if point["temperature"] == temperature]
            along = [own["points"][i]["smoothing"] for i in chosen], [own[metric][i] for i in chosen]
            (line,) = pair.plot(*along, "-", label=f"temperature {temperature:.2g}")
            colours[round(temperature, 2)] = line.get_color()
        crosses = {"c": [colours.get(temperature, "k") for _, temperature in SETTINGS], "marker": "x", "zorder": 3}
        pair.scatter([s for s, _ in SETTINGS], results[0]["columns"][metric][1], **crosses)
        pair.set(xlabel="label smoothing (×: separate)", ylabel=metric)
    return paragraphs, figure


if __name__ == "__main__":
    common.launch("language", "Language modelling", experiment, report)
