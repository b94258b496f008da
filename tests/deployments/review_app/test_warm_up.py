"""What the page's process loads when it starts, so that no person waits for it."""

import json
import subprocess
import sys
from pathlib import Path

VIEW = """
import json, sys
from pathlib import Path

from starlette.testclient import TestClient

from blocks.database.engine import open_database
from blocks.database.review import users
from blocks.database.review.sessions import open_session
from blocks.review.records import Role
from blocks.settings import load_settings
from deployments.review_app.app import create_app
from deployments.review_app.call import SESSION_COOKIE
from deployments.review_app.site import Site
from tests.review_page import TYPES, Paper

folder = Path(sys.argv[1])
database = open_database(f"sqlite:///{folder / 'review.db'}")
users.add_user(database, "ann", Role.REVIEWER, None)
review_id = Paper(folder / "a.pdf").store(database)
site = Site.of(database, TYPES, load_settings().model_copy(update={"processes": 1}), pictures=folder / "pictures")
site.warm_up()
with TestClient(create_app(site)) as client:
    client.cookies.set(SESSION_COOKIE, open_session(database, "ann"))
    before = set(sys.modules)
    for path in (f"/items/{review_id}", f"/items/{review_id}/pages/1"):
        client.get(path).raise_for_status()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_the_first_item_of_a_process_loads_nothing_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", VIEW, str(tmp_path)]
    viewed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert json.loads(viewed.stdout.splitlines()[-1]) == []
