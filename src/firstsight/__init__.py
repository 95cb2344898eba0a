"""firstsight: what is wrong in a pile of texture images, without references, labels or training."""

__version__ = "0.1.0"
