"""The nearest decided documents vote on the value of an enum field.

The classifier's probabilities are multiplied by the smoothed shares of the votes (a naive Bayes product of the two
opinions). A vote weighs as much as its document is like the one being read. Votes help most where the classifier has
not been trained on the decided documents: `enums.py` asks for none where it has.
"""

from collections import Counter
from collections.abc import Sequence

from blocks.evidence.traces import Remembered
from blocks.text_classifier.classifier import Prediction

PRIOR = 3.0
"""The weight of the classifier's own opinion: as many votes, since it has learnt from the same documents."""


def with_votes(field: str, prediction: Prediction, remembered: Sequence[Remembered]) -> Prediction:
    """The prediction after the votes; the same one where no document has any. Probabilities add up to 1."""
    votes: Counter[str] = Counter()
    for document in remembered:
        trace = document.fields.get(field)
        if trace is not None and isinstance(trace.value, str) and trace.value in prediction.scores:
            votes[trace.value] += document.likeness  # type: ignore[assignment] # weights, no counts
    if not votes:
        return prediction
    weighed = {label: p * (PRIOR + votes[label]) for label, p in prediction.scores.items()}
    total = sum(weighed.values()) or 1.0
    scores = {label: round(weight / total, 4) for label, weight in weighed.items()}
    best = max(scores, key=lambda label: scores[label])
    return Prediction(best, scores[best], scores)
