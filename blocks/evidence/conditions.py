"""Amounts that are due on a condition or at another time: "Total if paid after 3 April", "due next month".

Such an amount is neither the total nor what is to be paid. A date by which it is to be paid ("due by 3 April", "within
30 days") is no condition.
"""

import re
import unicodedata
from functools import lru_cache

from blocks.values.typed_values import squeeze

_MONTHS = r"(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)\w*"
_DAY = rf"(?:the )?(?:\d|{_MONTHS}\b|due\b)"
_PERIOD = (
    r"(?:day|week|month|quarter|year|annum|instal\w*|tag|woche|monat|quartal|jahr|rate|jour|semaine|mois|trimestre|an"
    r"|annee|mes|ano|mese|anno|maand|jaar)\b"
)
_CONDITION = re.compile(
    r"\b(?:if (?!applicable|any\b)|unless\b|when (?:paid|received|settled)|falls\b|sofern\b|wenn\b|en cas de\b"
    r"|bei (?:\w+ )?(?:zahlung|uberweisung|zahlungseingang)|nach (?:dem )?\d|nach falligkeit|ab (?:dem )?\d"
    r"|si (?:paye|pago|pagado|pagato|paiement|regle|reglement|vous|le |la |se |es )|se (?:pagat|il |la )"
    rf"|after {_DAY}|apres (?:le )?(?:\d|echeance)|despues del? |dopo (?:il )?\d|indien\b|bij betaling|na \d"
    r"|(?:next|following) \w+|naechst\w*|nachst\w*|kommend\w*|folgemonat|prochaine?s?\b|proxim\w+|prossim\w+"
    r"|volgende?\b"
    rf"|(?:per|each|every|pro|je|par|al|cada|ogni|elke) {_PERIOD}"
    r"|(?:daily|weekly|monthly|quarterly|yearly|annual|monatlich\w*|vierteljahrlich\w*|jahrlich\w*|mensuel\w*"
    r"|mensualite\w*"
    r"|mensual\w*|mensil\w*|maandelijks\w*)\b"
    r"|instal?lments?\b|\w*rat(?:e|en)zahlung\w*|monatsraten?\b|teilzahlung\w*|\d\. ?rate\b|rate \d+ (?:von|/)"
    r"|tranche\b|cuotas?\b|termijn\b"
    r"|\d+ ?(?:of|von|sur|de|di|van) ?\d+\b(?![.,/\d])|(?<![\d/.])\d ?/ ?\d\b(?![.,/\d])"
    r"|(?:early|prompt) (?:payment|settlement)|skonto\w*|escompte\w*|pronto pago|(?:less|minus|abzgl\.?"
    r"|abzuglich|moins) \d+(?:[.,]\d+)? ?%"
    r"|minimum\b|mindest\w*|minimal\w*)"
)
_NO_CONDITION = re.compile(r"\b(?:sans|ohne|no|without|keine?n?|pas d'|senza|zonder)\s?(?:escompte|skonto|abzug)\w*")
_BEHIND = re.compile(
    r"\W*(?:[a-z]{3}\b\W*)?(?:if (?:paid|received|settled|payment|you pay)|when paid|bei (?:\w+ )?zahlung"
    r"|si (?:paye|paiement|regle)"
    r"|per month|monthly|pro monat|par mois|unless)\b"
)


@lru_cache(maxsize=8192)
def is_conditional(before: str) -> bool:
    """Whether the words before an amount, its label among them, say that it is due on a condition or another time."""
    return _CONDITION.search(_NO_CONDITION.sub(" ", folded(before))) is not None


def is_conditional_behind(after: str) -> bool:
    """Whether the words right behind an amount say so: "235.20 if paid by 10 March"."""
    return _BEHIND.match(folded(after[:40])) is not None


def folded(text: str) -> str:
    """Text without case and accents, its blanks single."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss"))
    return squeeze("".join(c for c in decomposed if not unicodedata.combining(c)))
