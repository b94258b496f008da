from blocks.review.statistics import Times, reason_code, times_of


def test_times_are_those_that_were_measured() -> None:
    assert times_of([0, 4_000, 0, 2_000]) == Times(counted=2, p50_s=3.0, p90_s=3.8)
    assert times_of([1_000 * second for second in range(1, 12)]) == Times(counted=11, p50_s=6.0, p90_s=10.0)
    assert times_of([0, 0]) == Times(counted=0, p50_s=None, p90_s=None)


def test_a_reason_without_its_detail_repeats_no_text() -> None:
    assert reason_code("invalid:total: twelve") == "invalid"
    assert reason_code("hidden_text") == "hidden_text"
