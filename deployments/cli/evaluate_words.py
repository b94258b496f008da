"""How an evaluation's shares and draws are written, in lines and in pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.learning.evaluation import Draw
    from blocks.learning.measures import CurvePoint, Share

NOTHING = "–"


def drawn(draw: "Draw") -> str:
    """How the labelled documents were picked."""
    if draw.is_even and draw.least is not None:
        return "every document of the type" if draw.least == 1 else f"drawn with probability {draw.least:g}"
    if not draw.drawn:
        return "chosen: no estimate for other documents"
    if draw.chosen:
        return f"{draw.chosen:,} chosen: no estimate for other documents"
    return "drawn unevenly: no estimate for other documents"


def in_words(share: "Share") -> str:
    """A share with its counts and its interval."""
    if share.share is None:
        return NOTHING
    return f"{share.hits:,} of {share.counted:,}, {share.share:.1%} [{share.low:.1%}, {share.high:.1%}]"


def percent(share: float | None) -> str:
    """A share to a tenth of a percent."""
    return NOTHING if share is None else f"{share:.1%}"


def point_at(points: "Sequence[CurvePoint]", threshold: float) -> "CurvePoint | None":
    """The point that a threshold has: that of the lowest score which it accepts. None where it accepts none."""
    return min((point for point in points if point.threshold >= threshold), key=lambda p: p.threshold, default=None)
