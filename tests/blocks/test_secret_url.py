"""Whatever prints an address shows no secret of it."""

import json
import logging
from traceback import format_exception

import pytest
from pydantic import BaseModel

from blocks.errors import PrefectUnreachable, SourceMissing, WinnowError
from blocks.secret_url import SecretUrl, redacted

SHOWN = {
    "postgresql+psycopg://ada:canary@db/winnow": "postgresql+psycopg://ada:***@db/winnow",
    "postgresql+psycopg://ada:can%40ary%2F@[::1]:5432/w?sslmode=require": "postgresql+psycopg://ada:***@[::1]:5432/w"
    "?sslmode=require",
    "postgresql://ada:canary@canary/canary@db:5432/winnow": "postgresql://ada:***@db:5432/winnow",
    "postgresql://:canary@db/winnow": "postgresql://:***@db/winnow",
    "postgresql://ada@db/winnow": "postgresql://ada@db/winnow",
    "postgresql://db/winnow?user=ada&password=canary&sslpassword=canary#x": "postgresql://db/winnow?user=ada"
    "&password=***&sslpassword=***#x",
    "host=db user=ada password=canary dbname=w": "host=db user=ada password=*** dbname=w",
    "host=db password = 'canary canary'": "host=db password = ***",
    "sqlite:////home/ada/winnow.db": "sqlite:////home/ada/winnow.db",
    "http://ada:canary@prefect:4200/api": "http://ada:***@prefect:4200/api",
    "https://canary@git.example/x.pdf": "https://***@git.example/x.pdf",
    "https://b.example/x.pdf?X-Amz-Date=1&X-Amz-Signature=canary&X-Amz-Credential=canary": "https://b.example/x.pdf"
    "?X-Amz-Date=1&X-Amz-Signature=***&X-Amz-Credential=***",
    "https://b.example/x?sv=1&sig=canary%3D": "https://b.example/x?sv=1&sig=***",
    "zip://a.txt::s3://id:canary@bucket/x.zip": "zip://a.txt::s3://id:***@bucket/x.zip",
    "http://host:4200/mails/ada@example.org": "http://host:4200/mails/ada@example.org",
    "file:///in/a=b:c@d.pdf": "file:///in/a=b:c@d.pdf",
    "the database postgresql://a:canary@db/w and 'http://b:canary@c/api' fail": "the database postgresql://a:***@db/w "
    "and 'http://b:***@c/api' fail",
}


@pytest.mark.parametrize("address", SHOWN)
def test_the_shown_text_has_stars_for_each_secret(address: str) -> None:
    assert redacted(address) == SHOWN[address]
    assert redacted(SHOWN[address]) == SHOWN[address]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ada:can ary'\"#?/@x@db/winnow", "postgresql://ada:***@db/winnow"),
        ("postgresql://db/winnow?password=can ary'\"x&user=ada", "postgresql://db/winnow?password=***&user=ada"),
        ("https://canary@prefect.example/api", "https://***@prefect.example/api"),
        ("http://prefect.example:4200/api", "http://prefect.example:4200/api"),
        ("sqlite:////home/ada@lab:1/winnow.db", "sqlite:////home/ada@lab:1/winnow.db"),
        ("host=db password=canary", "host=db password=***"),
    ],
)
def test_an_address_of_its_own_may_hold_blanks_and_quotes(address: str, shown: str) -> None:
    assert str(SecretUrl(address)) == shown


def test_an_address_shows_no_secret_wherever_it_is_written(caplog: pytest.LogCaptureFixture) -> None:
    class Holder(BaseModel):
        url: SecretUrl

    url = SecretUrl("postgresql://ada:canary@db/winnow")
    holder = Holder(url=url)
    logging.getLogger("blocks").warning("at %s, %r", url, holder)
    written = [str(url), repr(url), f"{url}", str(holder), holder.model_dump_json(), json.dumps(str(url)), caplog.text]
    assert [text for text in written if "canary" in text] == []
    assert all("ada:***@db" in text for text in written)
    assert url.get_secret_value() == "postgresql://ada:canary@db/winnow"
    assert holder.model_dump()["url"] == url
    assert not SecretUrl("")


@pytest.mark.parametrize(
    "error",
    [
        PrefectUnreachable("http://ada:canary@prefect/api", "no answer from http://ada:canary@prefect/api"),
        SourceMissing("s3://key:canary@bucket/in"),
        WinnowError("password=canary"),
    ],
)
def test_no_message_of_ours_shows_a_secret(error: WinnowError) -> None:
    assert "canary" not in "".join(format_exception(error))
    assert "***" in str(error)
