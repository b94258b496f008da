"""The dashboard's figures, kept for a minute: many people look at the same page."""

import threading
import time

from blocks.database.engine import Database
from blocks.database.review.stats import review_stats
from blocks.review.statistics import ReviewStats

KEPT_S = 60.0


class KeptFigures:
    """The figures of each period and type that was asked for lately."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self.kept_s = kept_s
        self._kept: dict[tuple[int, str | None], tuple[float, ReviewStats]] = {}
        self._counting = threading.Lock()

    def of(self, database: Database, days: int, document_type: str | None) -> ReviewStats:
        """The figures, at most `kept_s` old."""
        key = (days, document_type)
        with self._counting:  # one counts, the others wait for it
            self._kept = {key: kept for key, kept in self._kept.items() if time.monotonic() - kept[0] < self.kept_s}
            if key not in self._kept:
                self._kept[key] = (time.monotonic(), review_stats(database, days=days, document_type=document_type))
            return self._kept[key][1]
