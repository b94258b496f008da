"""What an inbox's block refuses."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from blocks.inbox.block import Inbox


@pytest.mark.parametrize(
    ("url", "done_folder"),
    [
        ("{folder}/in", "{folder}/in/done"),
        ("{folder}/in/", "{folder}/in"),
        ("file://{folder}/in", "{folder}/in/done"),
        ("{folder}/in", "file://{folder}/in/done"),
        ("{folder}/in", "{folder}/other/../in/done"),
        ("{folder}/in", "{folder}/link/done"),
        ("s3://post/in", "s3://post/in/done/"),
    ],
)
def test_files_are_not_moved_to_where_they_would_arrive_again(tmp_path: Path, url: str, done_folder: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(ValidationError, match="done_folder is within the inbox"):
        Inbox(url=url.format(folder=tmp_path), done_folder=done_folder.format(folder=tmp_path))


@pytest.mark.parametrize(("url", "done_folder"), [("/in", "/in-done"), ("/in/post", "/in"), ("s3://in", "/in")])
def test_a_folder_beside_or_above_the_inbox_is_no_part_of_it(url: str, done_folder: str) -> None:
    assert Inbox(url=url, done_folder=done_folder).done_folder == done_folder
