"""Whether a promise still holds: a sequential alarm over the audits of accepted rows, and the drift of scores.

The alarm bets against the promise. Its wealth starts at 1 and cannot be expected to grow while at most the promised
share of accepted rows is wrong, so it ever reaches 1 / delta with a probability of at most delta, over all time and
however often it is looked at (Ville, 1939; Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe
anytime-valid inference", Statistical Science 38, 2023).

Each bet is Wald's likelihood ratio (Annals of Mathematical Statistics 16, 1945) of a higher share of wrong rows
against the promised one; the wealth is spread evenly over several such shares. Things may go wrong at any time, so a
part of the wealth, 1 / (j (j + 1)), is staked from the j-th audit on only: weighted sums of processes that start one
after another, as in Shin, Ramdas and Rinaldo, "E-detectors" (New England Journal of Statistics in Data Science 2,
2024), with weights that add up to 1, so that the bound holds over all time and not on average between alarms.
"""

from collections.abc import Iterable, Sequence

from blocks.records import Record

TIMES_WORSE = (2.0, 4.0, 8.0, 16.0)
"""The shares that are betted on, in multiples of the promised error; those above 1/2 are betted on as 1/2."""
FEWEST_SCORES = 30
"""Below this, a comparison of distributions finds only what anyone sees."""


class Alarm(Record):
    """The state of the alarm after some audits: plain figures, from which it goes on.

    `staked` has what each bet is worth now. Once it rang, the alarm stays on, and bets no more, until there is a new
    proof.
    """

    error: float
    delta: float
    audits: int = 0
    wrong: int = 0
    staked: tuple[float, ...] = (0.0,) * len(TIMES_WORSE)
    rang_at: int | None = None

    @property
    def wealth(self) -> float:
        """What the bets are worth, with the part that is not staked yet: the evidence against the promise."""
        return sum(self.staked) / len(self.staked) + 1 / (self.audits + 1)

    def after(self, audits_wrong: Iterable[bool]) -> "Alarm":
        """The alarm after more audits of randomly drawn accepted rows, in the order in which they were drawn."""
        audits, wrong, staked, rang_at = self.audits, self.wrong, self.staked, self.rang_at
        shares = [max(min(times * self.error, 0.5), self.error) for times in TIMES_WORSE]
        for is_wrong in audits_wrong:
            audits, wrong = audits + 1, wrong + is_wrong
            if rang_at is not None:
                continue
            odds = [q / self.error if is_wrong else (1 - q) / (1 - self.error) for q in shares]
            stake = 1 / (audits * (audits + 1))
            staked = tuple((worth + stake) * odd for worth, odd in zip(staked, odds, strict=True))
            if sum(staked) / len(staked) + 1 / (audits + 1) >= 1 / self.delta:
                rang_at = audits
        return self.model_copy(update={"audits": audits, "wrong": wrong, "staked": staked, "rang_at": rang_at})


class Drift(Record):
    """How far the scores of new documents are from those of the proof: the largest gap between their distributions.

    `p_value`: the probability of such a gap or a larger one by chance. It is shown, and closes nothing: scores may
    shift without an error more.
    """

    gap: float
    p_value: float


def drift(proof_scores: Sequence[float], new_scores: Sequence[float]) -> Drift | None:
    """The two-sample Kolmogorov-Smirnov test (Smirnov, 1939); None with fewer than 30 scores on a side."""
    if min(len(proof_scores), len(new_scores)) < FEWEST_SCORES:
        return None
    from scipy.stats import ks_2samp  # type: ignore[import-untyped] # scipy ships no types

    result = ks_2samp(proof_scores, new_scores)
    return Drift(gap=float(result.statistic), p_value=float(result.pvalue))
