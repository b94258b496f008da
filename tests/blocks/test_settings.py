"""Settings come from the environment once; a command's options replace single settings; no secret is shown."""

from pathlib import Path

import pytest

from blocks import settings as module
from blocks.errors import SettingInvalid
from blocks.settings import child_environment, configure, key_variable, load_settings, misspelt_variables, variable_of


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_current", None)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_OCR_LANGUAGES", "eng, deu,")
    assert load_settings().ocr_languages == ("eng", "deu")


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_CHUNK_SIZE", "7")
    assert load_settings().chunk_size == 7
    monkeypatch.setenv("WINNOW_CHUNK_SIZE", "8")
    assert load_settings().chunk_size == 7


def test_an_option_replaces_a_setting_and_none_leaves_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WINNOW_CHUNK_SIZE", "7")
    configure(document_types_dir=tmp_path, chunk_size=None)
    assert (load_settings().chunk_size, load_settings().document_types_dir) == (7, tmp_path)


def test_a_notification_block_has_a_type_and_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_NOTIFY_BLOCKS", "slack-webhook/team, custom-webhook/ops")
    assert load_settings().notify_blocks == ("slack-webhook/team", "custom-webhook/ops")
    monkeypatch.setattr(module, "_current", None)
    monkeypatch.setenv("WINNOW_NOTIFY_BLOCKS", "team")
    with pytest.raises(SettingInvalid, match="named as type/name"):
        load_settings()


def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_CHUNK_SIZE", "0")
    with pytest.raises(SettingInvalid, match="WINNOW_CHUNK_SIZE is '0'"):
        load_settings()


def test_a_wrong_option_names_its_variable() -> None:
    with pytest.raises(SettingInvalid, match="WINNOW_MAX_PAGES is '-1'"):
        configure(max_pages=-1)


def test_a_wrong_password_is_not_shown() -> None:
    with pytest.raises(SettingInvalid) as raised:
        configure(passwords={"secret": 1})
    assert "secret" not in str(raised.value)


def test_variables_that_other_programs_share_have_their_own_names() -> None:
    assert variable_of("prefect_api_url") == "PREFECT_API_URL"
    assert variable_of("chunk_size") == "WINNOW_CHUNK_SIZE"


def test_the_outage_wait_limit_keeps_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_MODEL_OUTAGE_PATIENCE_S", "7")
    assert load_settings().outage_wait_limit_s == 7
    monkeypatch.setenv("WINNOW_MODEL_OUTAGE_PATIENCE_S", "-1")
    monkeypatch.setattr(module, "_current", None)
    with pytest.raises(SettingInvalid, match="WINNOW_MODEL_OUTAGE_PATIENCE_S is '-1'"):
        load_settings()


def test_a_child_gets_no_variable_of_winnow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_PASSWORDS", "secret")
    environment = child_environment({"ADDED": "1"})
    assert environment["ADDED"] == "1"
    assert "PATH" in environment
    assert not any(name.startswith("WINNOW_") for name in environment)


def test_a_blank_key_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "  ")
    assert key_variable("SOME_KEY") is None
    monkeypatch.setenv("SOME_KEY", " sk-1\n")
    key = key_variable("SOME_KEY")
    assert key is not None
    assert key.get_secret_value() == "sk-1"


def test_a_variable_that_is_nearly_a_setting_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_has_warned", False)
    misspelt = {
        "WINNOW_CHUNKSIZE": "WINNOW_CHUNK_SIZE",
        "WINNOW_REVEIW_URL": "WINNOW_REVIEW_URL",
        "WINNOWDATABASE_URL": "WINNOW_DATABASE_URL",
    }
    for name in (*misspelt, "winnow_chunk_size", "WINNOW_HOUSE_KEY", "WINNOW_PASSWORD", "WINNOW_LEASE_S"):
        monkeypatch.setenv(name, "secret")
    told = misspelt_variables()
    assert told == tuple(
        f"{name} is no setting and changes nothing; did you mean {known}?" for name, known in sorted(misspelt.items())
    )
    assert misspelt_variables() == ()
