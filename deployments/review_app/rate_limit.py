"""How often a client may ask: a bucket of tokens each, in the memory of the process."""

import threading
import time
from collections import OrderedDict

MAX_CLIENTS = 10_000


class RateLimit:
    """`burst` requests at once, and `per_second` in the long run, for each client. Thread-safe."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, burst
        self._lock = threading.Lock()
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, client: str) -> bool:
        """Count a request of the client; whether it is within the limit."""
        now = time.monotonic()
        with self._lock:
            tokens, since = self._clients.pop(client, (float(self._burst), now))
            tokens = min(float(self._burst), tokens + (now - since) * self._per_second)
            is_allowed = tokens >= 1
            self._clients[client] = (tokens - is_allowed, now)
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        return is_allowed
