"""What `winnow backfill status` shows: progress, time left, money, failures by kind, shards."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blocks.database.models.budgets import BACKFILL, spent_of
from blocks.database.pipeline import backfills
from blocks.database.pipeline.backfills import Backfill, BackfillState
from deployments.cli.output import say, without_controls
from tasks.backfill.shards import place_of

if TYPE_CHECKING:
    from blocks.backfill.comparison import Comparison
    from blocks.database.engine import Database

MAX_VALUES, MAX_SHOWN = 40, 60
"""So many values are printed, and so many characters of each."""


def show_status(database: "Database", letters: str | None, *, as_json: bool = False) -> None:
    """Print how far a backfill is. Raises `BackfillUnknown`."""
    status = status_of(database, backfills.find_backfill(database, letters))
    if as_json:
        say(json.dumps(status))
        return
    left_s = status["seconds_left"]
    left = f", about {left_s} s left" if left_s is not None else ""
    say(f"backfill {status['backfill_id']}: {status['state']}, {status['selection']}")
    if status["state"] in {BackfillState.STOPPED, BackfillState.CANCELLED}:
        say("  the same winnow backfill run goes on with it where it stopped")
    say(f"  {status['done']:,} of {status['documents']:,} documents{left}")
    say(f"  {_counts(status['outcomes'])}")
    say(f"  {status['shards_done']} of {status['shards']} shards")
    for why, numbers in _by_reason(status["shards_failed"]).items():
        say(without_controls(f"  not ended well: shard {', '.join(numbers)}, {why}"))
    say(f"  {status['spent_usd']} of {status['budget_usd']} USD spent")
    if status["failures"]:
        say(f"  failures: {_counts(status['failures'])}")


def show_comparison(comparison: "Comparison") -> None:
    """Print old values against new ones."""
    say("")
    say(f"{comparison.documents:,} documents computed beside the current rows: {comparison.same:,} without a change")
    for flip in comparison.flips:
        say(f"  {flip.documents:,} from {_words(flip.before)} to {_words(flip.after)}")
    by_field = Counter(value.field for value in comparison.values)
    say(f"  values that change: {_counts(dict(by_field.most_common())) if by_field else 'none'}")
    for value in comparison.values[:MAX_VALUES]:
        say(f"  {_name(value.uri)}  {value.field}: {_shown(value.before)} -> {_shown(value.after)}")
    if len(comparison.values) > MAX_VALUES:
        say(f"  … {len(comparison.values) - MAX_VALUES:,} more values; --json has all")


def status_of(database: "Database", backfill: Backfill) -> dict[str, object]:
    """How far a backfill is, ready for JSON."""
    is_kept = backfill.state not in {BackfillState.PROMOTED, BackfillState.DISCARDED}
    place = place_of(database, backfill) if is_kept else database
    shards = backfills.shards_of(place, backfill.backfill_id)
    outcomes = backfills.outcomes_of(place, backfill.backfill_id)
    done, documents = sum(outcomes.values()), sum(shard.documents for shard in shards)
    elapsed_s = (datetime.now(UTC) - backfill.started_at).total_seconds()
    state = backfills.state_today(database, backfill)
    is_running = state is BackfillState.RUNNING
    return {
        "backfill_id": backfill.backfill_id,
        "state": str(state),
        "is_dry_run": backfill.is_dry_run,
        "selection": str(backfill.plan.selection),
        "documents": documents,
        "done": done,
        "outcomes": outcomes,
        "seconds_left": round(elapsed_s / done * (documents - done)) if is_running and done else None,
        "shards": len(shards),
        "shards_done": sum(shard.is_done for shard in shards),
        "shards_failed": [
            {"shard": shard.shard, "run_id": shard.run_id, "state": shard.run_state, "message": shard.message}
            for shard in shards
            if shard.has_failed
        ],
        "runs": [shard.run_id for shard in shards if shard.run_id],
        "spent_usd": str(spent_of(database, BACKFILL, backfill.backfill_id)),
        "budget_usd": str(backfill.plan.terms.budget_usd),
        "failures": backfills.failure_kinds_of(place, backfill.backfill_id),
    }


def _by_reason(failed: object) -> dict[str, list[str]]:
    """Numbers of shards by how their runs ended."""
    found: dict[str, list[str]] = {}
    for shard in failed if isinstance(failed, list) else ():
        found.setdefault(f"{shard['state']}: {shard['message']}", []).append(str(shard["shard"]))
    return found


def _words(status: str) -> str:
    return status.replace("_", " ")


def _name(uri: str) -> str:
    return without_controls(uri.rpartition("/")[2] or uri)


def _shown(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return without_controls(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def _counts(numbers: object) -> str:
    counts = dict(numbers) if isinstance(numbers, dict) else {}
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items()) or "none yet"
