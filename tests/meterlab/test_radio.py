"""Radio: what fails and how long it takes follows from the seed, and comes out as assumed."""

import numpy as np
import pytest

from meterlab.radio import FAILING_SHARE, Fate, Outage, Radio, RadioKind
from meterlab.town import mohalla
from meterlab.trial import trial

NOW = 1_763_900_000


def fates(radio, meter, tries=2000, every_s=600):
    return [radio.fate(meter, NOW + n * every_s) for n in range(tries)]


def test_without_radio_every_try_goes_through():
    assert set(fates(Radio(trial(seed=1)), 3)) == {Fate.GOES_THROUGH}


def test_shares_of_good_marginal_and_bad_meters_are_as_assumed():
    radio = Radio(mohalla(seed=1, consumers=20_000), kind=RadioKind.LTE)
    shares = [(radio.failing == rate).mean() for _, rate in FAILING_SHARE]
    assert shares == pytest.approx([0.02, 0.08, 0.90], abs=0.01)


def test_a_bad_meter_fails_at_its_rate_and_in_bursts():
    radio = Radio(trial(seed=1))
    radio.failing[6] = 0.6
    apart = np.asarray([fate is not Fate.GOES_THROUGH for fate in fates(radio, 6)])
    assert apart.mean() == pytest.approx(0.6, abs=0.05)
    together = np.asarray([fate is not Fate.GOES_THROUGH for fate in fates(radio, 6, every_s=60)])
    repeated = (together[1:] & together[:-1]).sum() / together[:-1].sum()
    assert repeated > 0.75


def test_some_failures_are_silent():
    radio = Radio(trial(seed=1))
    radio.failing[6] = 0.6
    seen = fates(radio, 6)
    assert seen.count(Fate.SILENCE) / (seen.count(Fate.RESET) + seen.count(Fate.SILENCE)) == pytest.approx(
        0.3, abs=0.05
    )


def test_silent_hours_are_silent_from_end_to_end():
    radio = Radio(trial(seed=1))
    radio.silent_hours[2] = 0.125
    whole_hour = NOW - NOW % 3600
    out = [radio.fate(2, whole_hour + n * 600) is Fate.RESET for n in range(6 * 1000)]
    by_hour = np.asarray(out).reshape(-1, 6)
    assert set(by_hour.sum(axis=1)) == {0, 6}
    assert by_hour[:, 0].mean() == pytest.approx(0.125, abs=0.03)


def test_an_outage_takes_its_meters_for_its_time():
    radio = Radio(trial(seed=1), outages=[Outage(begin_s=NOW, end_s=NOW + 3600, meters=frozenset({1}))])
    assert radio.fate(1, NOW - 1) is Fate.GOES_THROUGH
    assert radio.fate(1, NOW) is Fate.RESET
    assert radio.fate(2, NOW) is Fate.GOES_THROUGH
    assert radio.fate(1, NOW + 3600) is Fate.GOES_THROUGH


@pytest.mark.parametrize(("kind", "median", "p99"), [(RadioKind.LTE, 0.12, 2.0), (RadioKind.GPRS, 0.7, 6.0)])
def test_delays_have_the_assumed_quantiles(kind, median, p99):
    radio = Radio(trial(seed=1), kind=kind)
    delays = [radio.delay_s(0, woken=False) for _ in range(4000)]
    assert np.quantile(delays, 0.5) == pytest.approx(median, rel=0.1)
    assert np.quantile(delays, 0.99) == pytest.approx(p99, rel=0.25)
    assert min(radio.delay_s(0, woken=True) for _ in range(100)) > 1


def test_the_scale_scales_and_none_is_none():
    assert Radio(trial(seed=1), kind=RadioKind.LTE, scale=0.0).delay_s(0, woken=True) == 0
    assert Radio(trial(seed=1)).delay_s(0, woken=True) == 0
    slow, fast = (Radio(trial(seed=1), kind=RadioKind.LTE, scale=scale) for scale in (1.0, 0.01))
    assert fast.delay_s(0, woken=False) == pytest.approx(slow.delay_s(0, woken=False) / 100)


def test_the_same_seed_has_the_same_luck():
    first, again = (Radio(trial(seed=5), kind=RadioKind.LTE) for _ in range(2))
    for radio in (first, again):
        radio.failing[3] = 0.6
    assert fates(first, 3, tries=200) == fates(again, 3, tries=200)
