"""A stage whose output changes has a new version, so that no database keeps outputs of the old one as up to date."""

from tests.tasks.stage_samples import changed_without_a_version, kept_outputs, outputs_of_samples


def test_a_changed_output_has_a_new_fingerprint() -> None:
    kept, now = kept_outputs(), outputs_of_samples()
    assert changed_without_a_version(kept, now) == []
    assert kept == now, "outputs and fingerprints changed: python -m tests.tasks.stage_samples writes the file anew"


def test_that_check_sees_a_change_without_a_version_and_lets_one_with_a_version_pass() -> None:
    kept = {"a.txt": {"score": ("fingerprint", "output")}}
    [told] = changed_without_a_version(kept, {"a.txt": {"score": ("fingerprint", "another")}})
    assert "raise the version in tasks/score/stage.py" in told
    assert changed_without_a_version(kept, {"a.txt": {"score": ("raised", "another")}}) == []
    assert changed_without_a_version(kept, {"b.txt": {"score": ("fingerprint", "another")}}) == []
