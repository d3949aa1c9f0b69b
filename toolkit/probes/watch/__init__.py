"""The continuous watch: who answers an address, and for how long nobody does, through the kernel's own path."""

from toolkit.probes.watch.handle import Watch
from toolkit.probes.watch.request import MethodResult, WatchRequest, WatchResult
from toolkit.probes.watch.vantage import LocalVantagePoint, VantagePoint

__all__ = ["LocalVantagePoint", "MethodResult", "VantagePoint", "Watch", "WatchRequest", "WatchResult"]
