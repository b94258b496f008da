"""What `winnow backfill status` shows: progress, time left, money, failures by kind, shards."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blocks.database.models.budgets import BACKFILL, spent_of
from blocks.database.pipeline import backfills
from blocks.database.pipeline.backfills import Backfill, BackfillState
from deployments.cli.output import say

if TYPE_CHECKING:
    from blocks.database.engine import Database


def show_status(database: "Database", letters: str | None, *, as_json: bool = False) -> None:
    """Print how far a backfill is. Raises `BackfillUnknown`."""
    status = status_of(database, backfills.find_backfill(database, letters))
    if as_json:
        say(json.dumps(status))
        return
    left_s = status["seconds_left"]
    left = f", about {left_s} s left" if left_s is not None else ""
    say(f"backfill {status['backfill_id']}: {status['state']}, {status['selection']}")
    say(f"  {status['done']:,} of {status['documents']:,} documents{left}")
    say(f"  {_counts(status['outcomes'])}")
    say(f"  {status['shards_done']} of {status['shards']} shards")
    say(f"  {status['spent_usd']} of {status['budget_usd']} USD spent")
    if status["failures"]:
        say(f"  failures: {_counts(status['failures'])}")


def status_of(database: "Database", backfill: Backfill) -> dict[str, object]:
    """How far a backfill is, ready for JSON."""
    shards = backfills.shards_of(database, backfill.backfill_id)
    outcomes = backfills.outcomes_of(database, backfill.backfill_id)
    done, documents = sum(outcomes.values()), sum(shard.documents for shard in shards)
    elapsed_s = (datetime.now(UTC) - backfill.started_at).total_seconds()
    is_running = backfill.state is BackfillState.RUNNING
    return {
        "backfill_id": backfill.backfill_id,
        "state": str(backfill.state),
        "selection": str(backfill.plan.selection),
        "documents": documents,
        "done": done,
        "outcomes": outcomes,
        "seconds_left": round(elapsed_s / done * (documents - done)) if is_running and done else None,
        "shards": len(shards),
        "shards_done": sum(shard.is_done for shard in shards),
        "runs": [shard.run_id for shard in shards if shard.run_id],
        "spent_usd": str(spent_of(database, BACKFILL, backfill.backfill_id)),
        "budget_usd": str(backfill.plan.terms.budget_usd),
        "failures": backfills.failure_kinds_of(database, backfill.backfill_id),
    }


def _counts(numbers: object) -> str:
    counts = dict(numbers) if isinstance(numbers, dict) else {}
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items()) or "none yet"
