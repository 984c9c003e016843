"""Between a conditional network and its sites: what makes the values of every site of the conditioning vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor, nn

from yoto.conditioning.folding import Site

if TYPE_CHECKING:
    from yoto.space import LossSpace


class Conditioner(nn.Module, ABC):
    """Conditioning vector to the scale and shift of every site.

    A new one is a file with a subclass and a line in `conditional.CONDITIONERS`; binding and baking need no more than
    the values that it gives.
    """

    def __init__(self, sites: Sequence[Site]) -> None:
        super().__init__()
        self.sites = tuple(sites)

    @staticmethod
    @abstractmethod
    def check_settings(config: Mapping[str, Any]) -> None:
        """Refuse settings that do not exist or do not go together.

        Args:
            config: The arguments of `condition`.
        """

    @classmethod
    @abstractmethod
    def from_config(cls, space: LossSpace, sites: Sequence[Site], config: Mapping[str, Any]) -> Self:
        """A new conditioner.

        Args:
            space: The loss space, which makes the conditioning vector [E].
            sites: The conditioned layers.
            config: The arguments of `condition`, checked.
        """

    @abstractmethod
    def forward(self, encoding: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        """Conditioning vector [E] or [B, E] to (scale, shift) of every site, [C] or [B, C] each.

        The shift is None where the layer has no bias.
        """

    @abstractmethod
    def rest(self) -> None:
        """Set the parameters so that every site keeps its layer's output as it is, for every λ."""

    @abstractmethod
    def added(self) -> list[int]:
        """Parameters that each site adds, without what all of them share."""
