"""Speech enhancement: one network from little to full noise suppression.

Prompts of one speaker (Debian's asterisk-core-sounds-en-wav, 8 kHz) in white, brown and babble noise at 0 to 10 dB.
A recurrent network gives a gain per band of a short-time spectrum; its loss is the speech that gains take away plus a
weight times the noise that they leave. How much suppression is right depends on the listener, so the weight becomes a
slider (runs/examples/denoising gets WAV files). Compared with networks trained for one weight. The linear layers follow
the weight, the GRU between them does not. For your own recordings replace `load`, for your own noise `mixtures`.
"""

from functools import partial
from pathlib import Path

import common
import torch
from torch import Tensor, nn

import yoto

BATCH, STEPS, LR, LENGTH, RATE = 32, 700, 0.01, 8192, 8000
SPACE = yoto.LossSpace(speech=1.0, noise=yoto.LogUniform(0.1, 10.0))
WEIGHTS, WINDOW = (0.1, 0.56, 1.8, 10.0), torch.hann_window(256)
PARTS = {"train": (0, 150), "validation": (150, 175), "test": (175, None)}  # files
Batch = tuple[Tensor, Tensor]  # speech and noise, waveforms [B, LENGTH] each


def load(smoke: bool) -> dict[str, list[Tensor]]:
    """Prompts of at least two seconds for training, validation and test, split by file."""
    if smoke:
        times = torch.arange(2 * LENGTH) / RATE
        return {part: [torch.sin(f * times) * (torch.sin(9 * times) > 0) for f in (6000, 8000)] for part in PARTS}
    folder = common.package_file("/usr/share/asterisk/sounds/en_US_f_Allison", "asterisk-core-sounds-en-wav")
    prompts = [each for each in map(common.read_wave, sorted(folder.rglob("*.wav"))) if len(each) >= 2 * RATE]
    order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(0)).tolist()
    return {part: [prompts[i] for i in order[a:b]] for part, (a, b) in PARTS.items()}


def cut(prompts: list[Tensor], n: int) -> Tensor:
    """Random pieces of random prompts, [n, LENGTH], of equal power."""
    pieces: list[Tensor] = []
    while len(pieces) < n:
        prompt = prompts[torch.randint(len(prompts), ())]
        piece = prompt[int(torch.randint(max(1, len(prompt) - LENGTH), ())) :][:LENGTH]
        pieces += [piece / piece.square().mean().sqrt()] if piece.square().mean() > 1e-4 else []  # no silence
    return torch.stack(pieces)


def mixtures(prompts: list[Tensor], n: int) -> Batch:
    """Speech, and noise of three kinds at 0 to 10 dB."""
    white = torch.randn(n, LENGTH)
    brown = torch.fft.irfft(torch.fft.rfft(white) / (20 + torch.arange(LENGTH // 2 + 1)), LENGTH)
    babble = torch.stack([cut(prompts, n) for _ in range(5)]).sum(0)
    noise = torch.stack([white, brown, babble])[torch.randint(3, (n,)), torch.arange(n)]
    noise = noise / noise.square().mean(1, keepdim=True).sqrt() * 10 ** (-torch.rand(n, 1) / 2)
    return cut(prompts, n), noise


def spectrum(x: Tensor) -> Tensor:
    """Short-time spectrum [B, T, 129] of waveforms [B, LENGTH]."""
    return torch.stft(x, 256, 128, window=WINDOW, return_complex=True).transpose(1, 2)


class Network(nn.Module):
    """Gains [B, T, 129] in [0, 1] of a noisy spectrum; causal."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.Linear(129, 96), nn.SiLU())
        self.recurrent = nn.GRU(96, 96, batch_first=True)
        self.after = nn.Sequential(nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 129), nn.Sigmoid())

    def forward(self, noisy: Tensor) -> Tensor:
        return self.after(self.recurrent(self.before((noisy.abs() + 1e-2).log()))[0])


def terms(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Power of the speech that is taken away and of the noise that is left, over the power of the speech, [B]."""
    speech, noise = map(spectrum, batch)
    gain, power = net(speech + noise), speech.abs().square().sum((1, 2))
    lost, left = ((1 - gain) * speech.abs()).square(), (gain * noise.abs()).square()
    return {"speech": lost.sum((1, 2)) / power, "noise": left.sum((1, 2)) / power}


def enhanced(net: nn.Module, batch: Batch) -> Tensor:
    """The waveforms [B, LENGTH] that the network makes of speech and noise together."""
    noisy = spectrum(batch[0] + batch[1])
    return torch.istft((net(noisy) * noisy).transpose(1, 2), 256, 128, window=WINDOW, length=LENGTH)


def si_sdr(net: nn.Module, batch: Batch) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB, [B] (Le Roux et al. 2019)."""
    speech, made = batch[0], enhanced(net, batch)
    target = (made * speech).sum(1, keepdim=True) / speech.square().sum(1, keepdim=True) * speech
    return 10 * (target.square().sum(1) / (made - target).square().sum(1)).log10()


def sounds(model: yoto.Conditional, batch: Batch, folder: Path) -> None:
    """Write three prompts as they were spoken, in noise, and at each weight."""
    found = {f"weight-{weight:g}": enhanced(model.at(noise=weight), batch).detach() for weight in WEIGHTS}
    for name, waves in {"spoken": batch[0], "noisy": batch[0] + batch[1], **found}.items():
        for number in range(3):
            common.write_wave(folder / f"{number}-{name}.wav", waves[number], RATE)


def experiment(seed: int, smoke: bool, validation: bool = False) -> common.Result:
    """All networks of one seed, measured on test mixtures, or compared on validation mixtures to choose settings."""
    prompts, known = load(smoke), {"metrics": {"SI-SDR": yoto.Metric(si_sdr, better="higher")}}
    torch.manual_seed(1)  # the same mixtures for all seeds
    test, held = ([mixtures(prompts[part], 8 if smoke else 200)] for part in ("test", "validation"))
    torch.manual_seed(seed)
    points = {f"weight {weight:g}": SPACE.point(noise=weight) for weight in WEIGHTS}
    how = (terms, yoto.Objective(SPACE), partial(mixtures, prompts["train"], BATCH), 3 if smoke else STEPS)
    model, alone = common.train_all(Network, points, *how, lr=LR)
    if validation:
        return common.compared(model, alone, points, held, terms)
    # The questions: least noise where at most 5 % of the speech's power is lost; the best SI-SDR. By validation.
    most = yoto.select(model, held, terms, minimise="noise", subject_to=["speech <= 0.05"], **known)
    best = yoto.select(model, held, terms, maximise="SI-SDR", **known)
    if seed == 0 and not smoke:
        sounds(model, test[0], Path("runs/examples/denoising"))
    path = yoto.sweep(model, test, terms, **known)
    return {
        **common.compared(model, alone, points, test, terms, **known),
        "curve": {"weight": path.values("noise"), **path.terms, **path.metrics},
        "untreated": float(si_sdr(lambda noisy: torch.ones_like(noisy.abs()), test[0]).mean()),
        "bound": common.at_point(model, test, terms, most.point, **known),
        "best": common.at_point(model, test, terms, best.point, **known),
    }


def report(results: list[common.Result]) -> tuple[list[str], common.Figure]:
    """The table, what was chosen, and the trade-off of the first seed."""
    keys = ("bound", "speech"), ("bound", "noise"), ("best", "point", "noise"), ("best", "SI-SDR"), ("untreated",)
    lost, left, weight, best, untreated = (common.over_seeds(results, *each) for each in keys)
    paragraphs = [
        common.side_by_side(results, {"speech": "speech lost", "noise": "noise left", "SI-SDR": "SI-SDR in dB"}),
        f"Least noise with at most 5 % of the speech lost, by validation: on test data {lost} is lost, {left} left.",
        f"Best SI-SDR: weight {weight}, {best} dB; untreated {untreated} dB.",
    ]
    curve, own = results[0]["curve"], results[0]["columns"]
    figure, (left, right) = common.axes_of(["Speech lost and noise left", "SI-SDR over the slider"])
    left.loglog(curve["speech"], curve["noise"], "-", label="one network")
    left.loglog(own["speech"][1], own["noise"][1], "x", label="separate networks")
    left.set(xlabel="speech lost (share of its power)", ylabel="noise left (same scale)")
    right.semilogx(curve["weight"], curve["SI-SDR"], "-", WEIGHTS, own["SI-SDR"][1], "x")
    right.set(xlabel="weight of the noise", ylabel="SI-SDR in dB")
    return paragraphs, figure


if __name__ == "__main__":
    common.launch("denoising", "Speech enhancement", experiment, report)
