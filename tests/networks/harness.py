"""Whether everything works for a network: conditioned, a λ per sample, gradients, baked, saved and loaded, exported.

`check(case)` makes the network and goes through the stages; nothing that could be wrong is passed over in silence: a
comparison that could not be made is "unchecked". `benchmarks/networks.py` runs it over networks of other libraries.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

import yoto
from networks import exporting
from networks.layers import coverage
from networks.outputs import Inputs, Owner, deviation, largest, owners, tensors
from networks.report import EXPORTS, STAGES, Case, Report, Result, StageError, line
from networks.running import (
    SawSingle,
    backward,
    conditioned,
    double,
    fresh,
    gradients,
    lambdas,
    liven,
    nudged,
    probe,
    run,
    shake,
    still,
)
from yoto.conditioning.copies import copy_of
from yoto.conditioning.fast_path import fast_path_off

EXACT, EXACT_GRADIENT, SINGLE = 1e-9, 1e-7, 1e-4
"""Largest relative deviations: outputs and gradients in float64, outputs in float32."""
SHAKES = 8
OWN = "the plain network's state does not make another instance equal to it"


class Check:
    """The stages of one case; what an earlier stage made is kept for the later ones."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.report = Report()
        self.lam = lambdas(case.inputs.size)
        self.narrow = EXACT
        self.owners: dict[str, Owner] = {}
        self.modes: list[bool] = []

    # ---- stages, in order

    def condition(self) -> Result:
        """Condition it before its first run; the tables of layers."""
        case, net = self.case, liven(fresh(self.case))
        before = copy.deepcopy(net.state_dict())
        self.model, self.report.remarks = conditioned(net, case)
        for name, tensor in net.state_dict().items():
            if isinstance(tensor, Tensor) and not torch.equal(tensor, before[name]):
                raise StageError("wrong", f"condition() changed {name} of the network that it was given")
        shake(self.model.eval())
        self.carries = self.state_carries()
        names = self.report.names = tuple(site.name for site in self.model.sites)
        with torch.no_grad(), self.plain_runs(), fast_path_off():
            other = case.inputs.replaced(0)
            self.report.coverage = coverage(
                liven(fresh(case)), names, lambda n: run(n, case.inputs.values), lambda n: run(n, other.values)
            )
        self.doubled()
        return Result("ok", float(len(names)), f"{len(names)} sites")

    @torch.no_grad()
    def state_carries(self) -> bool:
        """Whether the plain network's state makes a copy of another instance equal to it, as loading supposes."""
        values, extra = self.case.inputs.values, self.case.extra
        try:
            net, other = liven(fresh(self.case, 3)), copy_of(fresh(self.case, 9))
            other.load_state_dict(net.state_dict())
            return largest(*(tensors(run(n, values, extra)) for n in (other, net)))[0] <= SINGLE
        except Exception:  # noqa: BLE001
            return False

    def doubled(self) -> None:
        """The model and its inputs in float64, or in float32 where the plain network does not run in float64."""
        case = self.case
        self.inputs, self.model64 = case.inputs.double(), double(self.model)
        with torch.no_grad():
            try:
                with SawSingle() as saw:
                    run(copy_of(self.model64.plain), self.inputs.values, case.extra)
                narrow = saw.found
            except Exception:  # noqa: BLE001
                self.inputs, self.model64, narrow = case.inputs, self.model, True
        self.narrow = SINGLE if narrow else EXACT
        with torch.no_grad(), self.plain_runs():
            plain = copy_of(self.model64.plain)
            self.owners, self.without = owners(lambda values: run(plain, values, case.extra), self.inputs)

    @contextmanager
    def plain_runs(self) -> Iterator[None]:
        """A block in which errors are the network's own."""
        try:
            yield
        except Exception as error:
            raise StageError("failed", f"the plain network does not run: {line(error)}") from error

    @torch.no_grad()
    def per_sample(self) -> Result:
        """A λ per sample against each λ for the whole batch, in float64."""
        found, expected, parts = self.both(self.model64, self.inputs, self.lam)
        worst, name = largest(found, expected)
        changed = max(deviation(parts[0][n], parts[-1][n]) for n in self.owners)
        self.expected, self.strict = expected, worst <= EXACT
        if not changed > 1e-6:
            raise StageError("wrong", f"λ has no effect on the outputs ({changed:.1e})")
        note = f"at {name}; {len(self.owners)} of {len(self.owners) + len(self.without)} outputs"
        return self.judged(worst, note)

    @torch.no_grad()
    def other_batch(self) -> Result:
        """The same for a batch of another size."""
        inputs, lam = self.inputs.take(range(2)), self.lam[[0, -1]]
        with self.plain_runs():
            run(copy_of(self.model64.plain), inputs.values, self.case.extra)
        found, expected, _ = self.both(
            self.model64, inputs, lam, {n: o for n, o in self.owners.items() if o.axis is not None}
        )
        if not expected:
            return Result("none", None, "no output has an axis of samples")
        return self.judged(*largest(found, expected))

    @torch.no_grad()
    def training(self) -> Result:
        """The same in training mode, batch norms aside, which mix the samples there."""
        model = copy_of(self.model64).train()
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        plain = copy_of(model.plain)
        try:
            found, without = owners(lambda values: run(plain, values, self.case.extra), self.inputs)
        except Exception as error:  # noqa: BLE001
            return Result("none", None, f"the plain network does not train so: {line(error)}")
        if not found:
            return Result("none", None, f"in training the plain network mixes its samples: {without}")
        return self.judged(*largest(*self.both(model, self.inputs, self.lam, found)[:2]))

    @torch.no_grad()
    def float32(self) -> Result:
        """The same in float32; a deviation of the size of the plain network's own rounding is said to be that."""
        found, expected, _ = self.both(self.model, self.case.inputs, self.lam.float())
        worst, name = largest(found, expected)
        if worst > SINGLE and self.strict:  # float64 has judged it
            noise = max([largest(expected, self.expected)[0], *map(self.moved, range(SHAKES))])
            if noise > worst / 3:
                return Result("ok", worst, f"the network itself rounds to {noise:.1e} in float32")
        return Result("ok" if worst <= SINGLE else "wrong", worst, f"{worst:.1e} at {name}")

    def moved(self, seed: int) -> float:
        """How far outputs at one λ for the whole batch go where every parameter moves in its last place."""
        model = nudged(self.model, seed)
        parts = [tensors(run(model, self.case.inputs.values, self.case.extra, at=row)) for row in self.lam.float()]
        return largest({n: owner.assemble([p[n] for p in parts]) for n, owner in self.owners.items()}, self.expected)[0]

    @torch.no_grad()
    def calls(self) -> Result:
        """Three equal calls give equal outputs, as many as the plain network's."""
        with self.plain_runs():
            plain = tensors(run(copy_of(self.model64.plain), self.inputs.values, self.case.extra))
        first = None
        for _ in range(3):
            output = tensors(run(self.model64, self.inputs.values, self.case.extra, at=self.lam))
            first = first or output
            if set(output) != set(plain):
                raise StageError("wrong", f"{len(output)} tensors in place of {len(plain)}")
            if not largest(output, first)[0] <= EXACT:
                raise StageError("wrong", "equal calls give different outputs")
        return Result("ok")

    def as_plain(self) -> Result:
        """With scales of 1 and shifts of 0: outputs, gradients and buffers of the plain network, in training too."""
        model, worst, where = still(self.model64), 0.0, ""
        allowed = EXACT_GRADIENT if self.narrow == EXACT else 10 * SINGLE
        for mode in (False, True):
            ours, theirs = copy_of(model).train(mode), copy_of(model.plain).train(mode)
            try:
                expected = backward(run(theirs, self.inputs.values, self.case.extra))
            except Exception as error:  # noqa: BLE001
                refused = line(error)  # some do not train on such a batch, some give gradients in training alone
                continue
            found = backward(run(ours, self.inputs.values, self.case.extra, at=self.lam))
            value, name = self.compared(ours.plain, found, theirs, expected)
            if value > allowed:
                again = copy_of(model.plain).train(mode)
                repeated = backward(run(again, self.inputs.values, self.case.extra))
                if self.compared(again, repeated, theirs, expected)[0] > allowed:
                    refused = "two equal calls differ"
                    continue
            self.modes.append(mode)
            if value > worst:
                worst, where = value, f"{name} {'in training' if mode else 'in evaluation'}"
        if not self.modes:
            raise StageError("unchecked", f"the plain network gives no gradients: {refused}")
        return Result("ok" if worst <= allowed else "wrong", worst, f"{worst:.1e} at {where}" if where else "")

    def compared(
        self, ours: nn.Module, found: dict[str, Tensor], theirs: nn.Module, expected: dict[str, Tensor]
    ) -> tuple[float, str]:
        """The largest deviation of outputs, gradients and buffers, and where it is."""
        buffers = [tensors(dict(net.named_buffers())) for net in (ours, theirs)]
        pairs = {"output": (found, expected), "gradient": gradients(ours, theirs), "buffer": buffers}
        worst = {what: largest(*pair) for what, pair in pairs.items()}
        what = max(worst, key=lambda name: worst[name][0])
        return worst[what][0], f"{what} {worst[what][1]}"

    def gradients(self) -> Result:
        """Gradients of the network's parameters with a λ per sample against the sum over single ones."""
        if not self.owners:
            raise StageError("unchecked", f"no output can be told apart by samples: {self.without}")
        if not self.modes:
            raise StageError("unchecked", "the plain network gives no gradients")
        ours, theirs = (copy_of(self.model64).train(self.modes[0]) for _ in range(2))
        found = tensors(run(ours, self.inputs.values, self.case.extra, at=self.lam))
        chosen = {n: owner for n, owner in self.owners.items() if n in found}
        probes = {n: probe(found[n]) for n in chosen}
        sum((owner.restrict(found[n]) * probes[n]).sum() for n, owner in chosen.items()).backward()
        for sample, lam in enumerate(self.lam):
            part = tensors(run(theirs, self.inputs.values, self.case.extra, at=lam))
            loss = 0.0
            for name, owner in chosen.items():
                parts = [torch.zeros_like(part[name]) for _ in self.lam]
                parts[sample] = part[name]
                loss = loss + (owner.restrict(owner.assemble(parts)) * probes[name]).sum()
            loss.backward(retain_graph=True)  # of what some networks cache between calls
        worst, name = largest(*gradients(ours, theirs))
        if not any(p.grad is not None and p.grad.any() for p in ours.film.parameters()):
            raise StageError("wrong", "no gradient reaches the conditioning network")
        allowed = EXACT_GRADIENT if self.narrow == EXACT else 10 * SINGLE
        return Result("ok" if worst <= allowed else "wrong", worst, f"{worst:.1e} at {name}")

    @torch.no_grad()
    def bake(self) -> Result:
        """Baked against bound in float64, by the library's own probe too; its state in a fresh network."""
        lam, case = self.lam[0], self.case
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.model.bake(lam.float(), probe=case.inputs.values)
            baked = self.model64.bake(lam)
        graph = isinstance(baked, torch.fx.GraphModule)  # every copy of one has a class of its own
        if type(baked) is not type(self.model.plain) and not graph:
            raise StageError("wrong", f"a {type(baked).__name__} came out of a {type(self.model.plain).__name__}")
        bound = run(self.model64, self.inputs.values, case.extra, at=lam)
        worst, name = largest(tensors(run(baked, self.inputs.values, case.extra)), tensors(bound))
        if worst > self.narrow:
            raise StageError("wrong", f"{worst:.1e} at {name}", worst)
        if not self.carries:
            return Result("none", worst, OWN)
        again = liven(fresh(case, 5))
        again = again if self.model64 is self.model else double(again)
        again.load_state_dict(baked.state_dict())
        loaded, _ = largest(tensors(run(again, self.inputs.values, case.extra)), tensors(bound))
        if loaded > self.narrow and not any("untied" in str(w.message) for w in caught):
            raise StageError(
                "wrong", f"its state in a fresh network deviates by {loaded:.1e}, without a warning", loaded
            )
        return Result("ok", worst, "tied, said so" if loaded > self.narrow else "")

    @torch.no_grad()
    def save(self) -> Result:
        """Saved and loaded into a fresh network."""
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / "model.safetensors"
            yoto.save(self.model, path)
            again = yoto.load(path, net=fresh(self.case, 9)).model
        values, lam = self.case.inputs.values, self.lam.float()
        pair = [tensors(run(m, values, self.case.extra, at=lam)) for m in (again, self.model)]
        worst, name = largest(*pair)
        if not self.carries:
            return Result("none", worst, OWN)
        return Result("ok" if worst <= 1e-6 else "wrong", worst, f"{worst:.1e} at {name}")

    # ---- what they share

    def both(
        self, model: nn.Module, inputs: Inputs, lam: Tensor, chosen: dict[str, Owner] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], list[dict[str, Tensor]]]:
        """Outputs with a λ per sample, what they should be, and the outputs at each λ for the whole batch."""
        chosen = self.owners if chosen is None else chosen
        if not self.owners:
            raise StageError("unchecked", f"no output can be told apart by samples: {self.without}")
        parts = [tensors(run(model, inputs.values, self.case.extra, at=row)) for row in lam]
        found = tensors(run(model, inputs.values, self.case.extra, at=lam))
        expected = {n: owner.assemble([p[n] for p in parts]) for n, owner in chosen.items()}
        return (
            {n: chosen[n].restrict(found[n]) for n in chosen},
            {n: chosen[n].restrict(t) for n, t in expected.items()},
            parts,
        )

    def judged(self, worst: float, note: str) -> Result:
        """A deviation in float64, or at float32's tolerance where the network computes in that."""
        text = f"{worst:.1e} {note}" if worst > EXACT else note
        return Result("ok" if worst <= self.narrow else "wrong", worst, text)


def check(
    case: Case, done: Callable[[Report], None] = lambda report: None, exports: bool = False, others: bool = True
) -> Report:
    """Every stage of a case; `done(report)` after each, so that a time limit loses only what comes later.

    `others`: the stages that are not about exports; conditioning always is one.
    """
    state = Check(case)
    steps = [(name, getattr(state, name.replace(" ", "_"))) for name in (STAGES if others else ("condition",))]
    if exports:
        steps += [(name, lambda n=name: exporting.STAGES[n](state)) for name in EXPORTS]
    for name, step in steps:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state.report.stages[name] = attempt(step)
        done(state.report)
        if name == "condition" and state.report.stages[name].status != "ok":
            if exports:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    state.report.stages["plain export"] = attempt(lambda: exporting.plain(state))
                done(state.report)
            break
    return state.report


def attempt(step: Callable[[], Result]) -> Result:
    """A stage's result, whatever it raises."""
    try:
        return step()
    except StageError as ended:
        return ended.result
    except yoto.errors.YotoError as error:
        text = str(error)
        return Result("refused" if len(text.strip().splitlines()) == 1 else "wrong", None, text)
    except Exception as error:  # noqa: BLE001
        return Result("failed", None, line(error))
