"""Models for elsewhere: ONNX, torch.export programs, and the weights of a baked network.

A conditional model is exported with λ as an input, or baked at one λ. What was written is run and compared with eager,
at the example's batch size and another one, before the file takes its place.
"""

from yoto.export.write import export

__all__ = ["export"]
