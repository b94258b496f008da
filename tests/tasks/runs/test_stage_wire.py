"""Documents and outcomes arrive at a stage process, and come back, as they were sent."""

from dataclasses import replace

from blocks.errors import StageCrashed
from blocks.records import Document, Failure, Outcome, Retry, Stage
from tasks.runs.stage_wire import pack_documents, pack_outcomes, unpack_documents, unpack_outcomes


def test_documents_arrive_with_all_that_a_stage_reads() -> None:
    first = Document(
        "a" * 64,
        "/in/ä.txt",
        "text/plain",
        3,
        given_type="receipt",
        is_type_decided=True,
        document_type="invoice",
        inputs={Stage.EXTRACT: b'{"pages": []}\n', Stage.CLASSIFY: b""},
        provisional={Stage.EXTRACT: "ocr_unavailable"},
        remembered=b"[{}]",
    )
    second = Document("b" * 64, "", "application/pdf", 0, inputs={Stage.EXTRACT: b"\n\xff"})
    assert unpack_documents(pack_documents([first, second])) == [first, second]
    # Fingerprints are computed before; no stage reads these while it works.
    unread = replace(first, digests={Stage.EXTRACT: "d"}, parent_id="c" * 64, part="row:1", other_uris=("/in/b.txt",))
    assert unpack_documents(pack_documents([unread])) == [first]


def test_outcomes_come_back_with_their_failures_and_defects() -> None:
    failure = Failure(stage=Stage.SCORE, kind="internal", message="a defect", retry=Retry.NEXT_RUN)
    sent = [
        Outcome("a", b'{"a":\n1}', duration_ms=7),
        Outcome("b", failure=failure, defect=ValueError("a wrong sum")),
        Outcome("c", b"", failure),
    ]
    back = unpack_outcomes(pack_outcomes(sent))
    assert back == sent
    assert isinstance(back[1].defect, StageCrashed)
    assert "ValueError: a wrong sum" in str(back[1].defect)
