"""Google's Gemini API: generateContent."""

import math
from collections.abc import Collection, Mapping

from tests.doubles.model_provider.wire import Answer, Asked, ErrorKind, Json, Spoken, token_pieces

_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class Gemini:
    """POST /v1beta/models/{model}:generateContent."""

    name = "gemini"

    def asked(self, path: str, body: Json) -> Asked:
        model = path.rsplit("/", 1)[1].split(":", 1)[0]
        spoken = Spoken()
        system = body.get("systemInstruction") or body.get("system_instruction") or {"parts": []}
        spoken.system += [part["text"] for part in system["parts"]]
        for content in body["contents"]:
            for part in content["parts"]:
                if "text" in part:
                    spoken.say(content.get("role", "user"), part["text"])
                elif (part.get("inlineData") or part.get("inline_data") or {}).get("data"):
                    spoken.images += 1
                else:
                    raise ValueError("unknown part")
            spoken.turns += content.get("role", "user") == "user"
        config = body.get("generationConfig") or {}
        schema = config.get("responseJsonSchema") or config.get("responseSchema")
        is_json = config.get("responseMimeType") == "application/json"
        if schema is not None and not is_json:
            raise ValueError("a response schema needs the response type application/json")
        return Asked(
            model=model,
            text="\n".join(spoken.user),
            system="\n".join(spoken.system),
            schema=schema,
            mode="json_schema" if schema else "json_object" if is_json else "prompt",
            wants_logprobs=bool(config.get("responseLogprobs")),
            images=spoken.images,
            max_output_tokens=config.get("maxOutputTokens"),
            turns=spoken.turns,
        )

    def refused(self, headers: Mapping[str, str], body: Json, refused_parameters: Collection[str]) -> Json | None:
        for name in refused_parameters:
            if name in (body.get("generationConfig") or {}):
                said = (
                    f"Invalid JSON payload received. Unknown name \"{name}\" at 'generation_config': Cannot find field."
                )
                return {"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}
        return None

    def reply(self, asked: Asked, answer: Answer, number: int) -> Json:
        body: Json = {"modelVersion": answer.served_by or f"{asked.model}-001", "responseId": f"double{number}"}
        if answer.finish == "filtered":
            body["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
        elif answer.finish == "empty":
            body["candidates"] = []
        else:
            finish = {"length": "MAX_TOKENS", "refusal": "SAFETY"}.get(answer.finish, "STOP")
            candidate: Json = {"finishReason": finish, "index": 0}
            if answer.finish != "refusal":
                candidate["content"] = {"parts": [{"text": answer.text}], "role": "model"}
            if asked.wants_logprobs:
                candidate |= _logprobs(answer)
            body["candidates"] = [candidate]
        if answer.usage_wire is not None:
            body["usageMetadata"] = answer.usage_wire
        elif answer.usage is not None:
            tokens = answer.usage
            body["usageMetadata"] = {
                "promptTokenCount": tokens.input,
                "candidatesTokenCount": tokens.output - tokens.reasoning,
                "totalTokenCount": tokens.input + tokens.output,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.input}],
            }
            if tokens.cached:
                body["usageMetadata"]["cachedContentTokenCount"] = tokens.cached
            if tokens.reasoning:
                body["usageMetadata"]["thoughtsTokenCount"] = tokens.reasoning
        return body

    def error(self, kind: ErrorKind, asked: Asked | None, message: str) -> tuple[int, Json, Mapping[str, str]]:
        status, said = {
            ErrorKind.BAD_KEY: (400, "API key not valid. Please pass a valid API key."),
            ErrorKind.BAD_REQUEST: (400, "contents must not be empty."),
            ErrorKind.CONTEXT_TOO_LONG: (
                400,
                "The input token count (1200321) exceeds the maximum number of tokens allowed (1048576).",
            ),
            ErrorKind.FILTERED: (400, "The prompt was blocked: PROHIBITED_CONTENT."),
            ErrorKind.NO_MODEL: (
                404,
                f"models/{asked.model if asked else '?'} is not found for API version v1beta.",
            ),
            ErrorKind.OUT_OF_CREDIT: (
                429,
                "You exceeded your current quota, please check your plan and billing details.",
            ),
            ErrorKind.OVERLOADED: (503, "The model is overloaded. Please try again later."),
            ErrorKind.RATE_LIMITED: (429, "Resource has been exhausted (e.g. check quota). Please retry in 1.5s."),
            ErrorKind.SERVER_ERROR: (500, "An internal error has occurred."),
            ErrorKind.UNSUPPORTED_FORMAT: (400, "JSON mode is not enabled for this model."),
        }[kind]
        error: Json = {"code": status, "message": message or said, "status": _STATUS_NAMES[status]}
        google = "type.googleapis.com/google.rpc"
        if kind is ErrorKind.RATE_LIMITED:
            error["details"] = [{"@type": f"{google}.RetryInfo", "retryDelay": "1.5s"}]
        elif kind is ErrorKind.OUT_OF_CREDIT:
            violation = {"quotaMetric": "generativelanguage.googleapis.com/generate_content_paid_tier_requests"}
            error["details"] = [{"@type": f"{google}.QuotaFailure", "violations": [violation]}]
        elif kind is ErrorKind.BAD_KEY:
            error["details"] = [{"@type": f"{google}.ErrorInfo", "reason": "API_KEY_INVALID"}]
        return status, {"error": error}, {}

    def limit_headers(self, limit: int, left: int, tokens: int, tokens_left: int, reset_s: float) -> dict[str, str]:
        return {}


def _logprobs(answer: Answer) -> Json:
    chosen = [
        {"token": token, "tokenId": index, "logProbability": answer.logprob}
        for index, token in enumerate(token_pieces(answer.text))
    ]
    average = answer.logprob if chosen else math.nan
    return {"avgLogprobs": average, "logprobsResult": {"chosenCandidates": chosen, "topCandidates": []}}
