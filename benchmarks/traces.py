"""What traces cost a run over tickets: none sent, all sent, and a tenth sampled, side by side.

The runs take turns, with a database each; the backend is a receiver in a process of its own, whose time does not count.
Wall time follows what else the machine does, so CPU seconds of the run's processes are the figure to read. `--checkout`
adds runs of a second tree of Winnow, such as one from before a change, that sends nothing.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cores import ROOT, TICKETS, Figures, medians, prefect_server, run, write_tickets

SPANS_PER_DOCUMENT = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--checkout", type=Path, help="another tree of Winnow, to compare with")
    parser.add_argument("--tickets", type=Path, default=TICKETS, help="a csv file with a column text")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    sys.path.append(str(ROOT))
    from tests.doubles.otlp_receiver import OtlpProcess

    with (
        tempfile.TemporaryDirectory(prefix="winnow-traces-") as scratch,
        OtlpProcess(folder(scratch, "otlp")) as backend,
    ):
        home = Path(scratch)
        source = write_tickets(options.tickets, home / "tickets.csv", options.documents)
        receivers = {"all": backend.receiver(), "a tenth": backend.receiver()}
        sampled = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
        cases: dict[str, tuple[Path, Mapping[str, str]]] = {
            "none": (ROOT, {}),
            "all": (ROOT, {"OTEL_EXPORTER_OTLP_ENDPOINT": receivers["all"].url}),
            "a tenth": (ROOT, {"OTEL_EXPORTER_OTLP_ENDPOINT": receivers["a tenth"].url, **sampled}),
        }
        if options.checkout:
            cases = {"before": (options.checkout.resolve(), {}), **cases}
        runs: dict[str, list[Figures]] = {name: [] for name in cases}
        with prefect_server(home) as server:
            run(ROOT, write_tickets(options.tickets, home / "first.csv", 20), home, server)  # trains the classifiers
            for _ in range(options.rounds):
                for name, (checkout, variables) in cases.items():
                    with environment(variables):
                        runs[name].append(run(checkout, source, home, server))
                    print(f"{name}: {runs[name][-1]}", flush=True)
        report: dict[str, object] = {"documents": options.documents, "rounds": options.rounds}
        for name, figures in runs.items():
            report |= {f"{name}: {what}": medians(figures)[what] for what in ("cpu_s", "wall_s", "first_mb")}
            ratios = [one.cpu_s / none.cpu_s for one, none in zip(figures, runs["none"], strict=True)]
            report[f"{name}: cpu over none, median of rounds"] = round(statistics.median(ratios), 3)
        for name, receiver in receivers.items():
            report[f"{name}: spans a run"] = len(receiver.span_messages()) / options.rounds
        report["all: spans that came"] = round(
            float(str(report["all: spans a run"])) / (SPANS_PER_DOCUMENT * options.documents + 1), 4
        )
        for name, value in report.items():
            print(f"{name:44} {value}")
        if options.json:
            options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def folder(scratch: str, name: str) -> Path:
    """A new folder in the scratch folder."""
    path = Path(scratch) / name
    path.mkdir()
    return path


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The variables in the environment, for what is started within."""
    os.environ |= dict(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


if __name__ == "__main__":
    main()
