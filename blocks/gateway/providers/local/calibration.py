"""From a share of odds to a probability."""


def calibrated(share: float) -> float:
    """The probability that a value with this share of the odds is right."""
    return round(share, 4)
