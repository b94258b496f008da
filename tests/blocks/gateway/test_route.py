from blocks.document_types import DocumentField, DocumentType, FieldType, RouteStep
from blocks.gateway.model import ModelReply, ModelRequest, Usage
from blocks.gateway.route import ask_route, default_models, route_digest
from blocks.records import FieldReading, Page

NOTE = DocumentType(
    name="note",
    title="Note",
    fields={"day": DocumentField(type=FieldType.DATE, aliases=("Day",))},
    route=(RouteStep(model="clever", prompt="short"), RouteStep(model="local")),
    prompts={"short": "be brief", "default": "be exact"},
)
PAGES = (Page(number=1, method="parsed", text="Day: 1 May 2024"),)


class Echo:
    """A model that answers with the prompt it was given."""

    name = "clever"

    def __init__(self, version: str = "1") -> None:
        self.version = version

    def answer(self, request: ModelRequest) -> ModelReply:
        return ModelReply(fields={"day": FieldReading(value=request.prompt)}, usage=Usage(input_tokens=12))


def test_the_first_step_that_is_here_is_asked_with_its_own_prompt() -> None:
    answer = ask_route("d", NOTE, PAGES, default_models() | {"clever": Echo()})
    assert answer.reply.fields["day"].value == "be brief"
    assert (answer.model, answer.calls[0].step, answer.calls[0].input_tokens) == ("clever", 0, 12)


def test_the_local_model_is_the_floor_of_a_route() -> None:
    answer = ask_route("d", NOTE, PAGES, default_models())
    assert answer.reply.fields["day"].value == "2024-05-01"
    assert (answer.model, answer.calls[0].step, answer.calls[0].cost_usd) == ("local", 1, 0)
    unknown = NOTE.model_copy(update={"route": (RouteStep(model="gone"),)})
    assert ask_route("d", unknown, PAGES, default_models()).model == "local"


def test_another_version_of_a_models_makes_another_digest() -> None:
    first, second = default_models() | {"clever": Echo("1")}, default_models() | {"clever": Echo("2")}
    assert route_digest(NOTE, first) != route_digest(NOTE, second)
    assert route_digest(NOTE, first) == route_digest(NOTE.model_copy(update={"title": "A note"}), first)
