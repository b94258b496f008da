"""Run the double: prints its port on a line of its own, and serves until its parent is gone or it is stopped."""

import argparse
import asyncio
import os
from pathlib import Path

from tests.doubles.model_provider.server import serve


async def run(port: int, journal: Path | None) -> None:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(port, journal, ready))
    ready.add_done_callback(lambda port_: print(port_.result(), flush=True))
    parent = os.getppid()
    while os.getppid() == parent and not serving.done():
        await asyncio.sleep(0.5)
    serving.cancel()
    await asyncio.wait({serving})
    if not serving.cancelled() and (error := serving.exception()):
        raise error


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.doubles.model_provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--journal", type=Path, help="append each finished request to this file as a line of JSON")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.port, arguments.journal))


if __name__ == "__main__":
    main()
