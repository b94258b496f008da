"""Finds the words by which a model declines, in the languages in which models answer.

A phrase counts only where the model speaks of itself and of its task: "I cannot find the date" is an answer.
"""

import re

OPENING_CHARACTERS = 800
"""A model that declines says so at once."""

_TASK = (
    r"help|assist|comply|continue|proceed|fulfil+|process|answer|respond|provide|support|discuss|share|create|generate"
    r"|read|extract|analy[sz]e|engage|do (?:that|this)|complete (?:that|this|the|your)"
)
_SORRY = r"\b(?:sorry|apologi[sz]e|afraid|tut mir leid|entschuldigung|bedauere?|désolée?|je regrette|lo siento|lamento"
_SORRY += r"|disculp[ae]|mi dispiace|spiacente|desculpe|sinto muito|spijt me)\b"
_UNABLE = r"(?:can't|cannot|can not|could not|couldn't|won't|will not|(?:am|are|'m|'re) (?:unable|not able) to"
_UNABLE += r"|(?:must|have to)? ?decline to)"
_HELFEN = r"(?:helfen|weiterhelfen|beantworten|bearbeiten|verarbeiten|erfüllen|nachkommen|unterstützen|auslesen)"
_AIDER = r"(?:aider|assister|répondre|traiter|fournir|accéder|continuer|satisfaire)"
_AYUDAR = r"(?:ayudar|asistir|cumplir|procesar|proporcionar|responder|continuar)"
_HELPEN = r"(?:helpen|beantwoorden|verwerken|voldoen|ondersteunen)"
_PHRASES = (
    rf"\b(?:i|we) ?{_UNABLE} (?:\w+ ){{0,2}}?(?:{_TASK})\b",
    rf"{_SORRY}[^.\n]{{0,30}}\bi ?{_UNABLE}",
    r"\bi (?:must|have to|need to) (?:respectfully |politely )?(?:decline|refuse)\b",
    r"\b(?:violates?|against|contrary to) (?:my|our|the content|the usage|content|usage) (?:\w+ )?(?:policy|rules)\b",
    rf"\bich kann (?:\S+ ){{0,6}}?nicht (?:\w+ )?{_HELFEN}",
    rf"\bkann ich (?:\S+ ){{0,5}}?nicht (?:\w+ )?{_HELFEN}",
    rf"{_SORRY}[^.\n]{{0,30}}\b(?:ich (?:kann|darf)|(?:kann|darf) ich)\b[^.\n]{{0,60}}\bnicht\b",
    rf"\bje ne (?:peux|puis|suis)(?: malheureusement)? pas (?:en mesure d'|en mesure de )?(?:vous |t'|y )?{_AIDER}",
    rf"{_SORRY}[^.\n]{{0,30}}\bje ne (?:peux|puis|suis) pas\b",
    rf"\bno (?:puedo|podemos|me es posible) (?:\w+ )?{_AYUDAR}",
    rf"{_SORRY}[^.\n]{{0,30}}\b(?:no puedo|non posso|não posso)\b",
    r"\bnon (?:posso|sono in grado di) (?:\w+ )?(?:aiutar|assister|rispondere|elaborare|fornire|soddisfare|procedere)",
    r"\bnão (?:posso|consigo) (?:\w+ )?(?:ajudar|auxiliar|responder|processar|fornecer|atender|cumprir|continuar)",
    rf"\bik kan (?:\S+ ){{0,5}}?niet (?:\w+ )?{_HELPEN}",
    rf"{_SORRY}[^.\n]{{0,30}}\b(?:ik kan|kan ik)\b[^.\n]{{0,40}}\bniet\b",
    r"\bnie mog[ęe] (?:\S+ ){0,3}?(?:pomóc|odpowiedzieć|przetworzyć|spełnić|udzielić)",
    r"\bjag kan (?:tyvärr )?inte (?:hjälpa|svara|behandla)",
    r"\bjeg kan (?:desværre |dessverre )?ikke (?:hjælpe|hjelpe|svare)",
    r"(?:\bя|извините|сожалению)[^.\n]{0,20} не могу (?:\S+ )?(?:помочь|выполнить|ответить|обработать|предоставить)",
    r"yardımcı olam(?:am\b|ıyorum|ayacağım)",
    r"(?:抱歉|对不起|對不起|很遗憾)[^。\n]{0,12}(?:无法|無法|不能)",
    r"我(?:无法|無法|不能)\S{0,4}(?:帮助|協助|协助|回答|提供|处理|满足)",
    r"(?:お手伝い|お答え|対応|回答|支援|お応え)[^。\n]{0,12}でき(?:ません|かねます|ない)",
    r"(?:도와드릴|답변(?:해 )?드릴|처리(?:해 드릴|할)|제공(?:해 드릴|할)) 수 (?:는 )?없",
    r"لا (?:أستطيع|يمكنني) (?:\S+ )?(?:مساعد|الإجابة|تقديم|معالجة)",
)
_OF_ITSELF = (
    r"\bas an? (?:ai|artificial intelligence|large language model|language model)\b",
    r"\bi(?:'m| am) (?:just |only )?an? (?:ai|large language model|language model)\b",
    r"\bals (?:ki|ai|künstliche intelligenz|sprachmodell|großes sprachmodell)\b",
    r"\ben tant qu(?:'ia\b|e modèle de langage|e modèle d'ia|'intelligence artificielle)",
    r"\bcomo (?:modelo de lenguaje|una? ia\b|modelo de linguagem|uma ia\b)",
    r"\bcome (?:modello linguistico|intelligenza artificiale)|\bals (?:ai-)?taalmodel\b",
    r"作为(?:一个|一名)?(?:ai|人工智能|语言模型)|私はai|aiとして",
)
_DECLINES = re.compile("|".join((*_PHRASES, *_OF_ITSELF)))
_SPEAKS_OF_ITSELF = re.compile("|".join(_OF_ITSELF))
_APOSTROPHES = str.maketrans("’‘ʼ`´", "'''''")


def refusal_in(text: str) -> str | None:
    """The words by which `text` declines the task, None where it does not."""
    found = _DECLINES.search(_opening(text))
    return found[0] if found else None


def speaks_of_itself(text: str) -> str | None:
    """The words by which `text` calls its author a model, as no letter to a customer does; None where it does not."""
    found = _SPEAKS_OF_ITSELF.search(_opening(text))
    return found[0] if found else None


def _opening(text: str) -> str:
    return " ".join(text[:OPENING_CHARACTERS].translate(_APOSTROPHES).lower().split())
