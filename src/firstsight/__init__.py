"""firstsight: what is wrong in a pile of texture images, without references, labels or training."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstsight.finding import Finding, find
    from firstsight.results import Results, open_results

__version__ = "0.1.0"
__all__ = ["Finding", "Results", "__version__", "find", "open_results"]

_WHERE = {"Finding": "finding", "find": "finding", "Results": "results", "open_results": "results"}


def __getattr__(name: str) -> Any:
    # What brings torch and pandas with it is imported by whoever asks for it: jobs and the command start without.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
