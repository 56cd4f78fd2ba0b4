"""Meters behind gateways: told by the registry, addressed through them, one visit at a time through each."""

from collections import Counter
from dataclasses import replace

import pytest
import uvloop

from bijlighar.cim.gateway_address import GatewayAddressRefused, parse_gateway_address
from bijlighar.dlms.gateway import Gateway
from bijlighar.headend.associating import READER, KeptSettings
from bijlighar.headend.dispatch import DispatchSettings
from meterlab.gateway import GatewayConnection
from meterlab.reached import METERS_A_GATEWAY, with_ways
from meterlab.town import mohalla

from .fakes import KEYS, OWN_TITLE
from .meters import D1
from .mohalla import DAY_S, SEED, SETTINGS, Mohalla

ONE_AT_A_TIME = replace(SETTINGS, dispatch=DispatchSettings(most_sessions=100, group_kinds={"gateway": 1}))


class Watched(set):
    """Open connections; ``most`` visits at once through one gateway. One that has released may still hang up."""

    most = 0

    def add(self, line):
        super().add(line)
        gateways = [one for one in self if isinstance(one, GatewayConnection) and (one is line or one._machines)]
        self.most = max(self.most, *Counter(min(one._meters.values()) for one in gateways).values(), 0)


def test_two_hundred_meters_behind_two_gateways_are_read_whole_one_at_a_time_through_each(tmp_path, records_url):
    async def main():
        async with Mohalla(with_ways(mohalla(SEED, 210), gateways=2), tmp_path, url=records_url) as town:
            carried = [meter for meter in town.meters.values() if meter.gateway_address]
            groups = Counter(meter.group for meter in carried)
            assert groups == {"gateway-0001": METERS_A_GATEWAY, "gateway-0002": METERS_A_GATEWAY}
            assert all(meter.gateway_address == f"0/{meter.serial}" for meter in carried)
            town.exchange.open = Watched()
            reader = await town.reader(ONE_AT_A_TIME)
            await town.until(town.whole)
            town.clock.instant_s += DAY_S
            await town.until(lambda: town.whole(days=1))
            assert town.doubled() == []
            assert set(reader.outcomes()) == {"ok"}
            assert town.exchange.open.most == 1
            tally = town.exchange.tally
            assert (tally.faults, tally.foreign, tally.busy) == (0, 0, 0)

    uvloop.run(main())


def test_a_gateway_address_is_a_network_and_ascii_or_octets():
    assert parse_gateway_address("0/ML00012") == (0, b"ML00012")
    assert parse_gateway_address("255/0x0011") == (255, b"\x00\x11")


@pytest.mark.parametrize(
    "text", ["", "ML00012", "256/A", "-1/A", "0/", "0/0x0g", "0/0x", "0/मीटर", "0/" + "9" * 33]
)
def test_another_gateway_address_is_refused(text):
    with pytest.raises(GatewayAddressRefused):
        parse_gateway_address(text)


def test_a_meter_that_moves_behind_another_gateway_has_other_settings():
    kept, access = KeptSettings(OWN_TITLE, 1024), D1.associations[READER]
    direct = kept.of(1, D1, access, KEYS)
    carried = kept.of(1, D1, access, KEYS, "1/0x0011")
    assert direct.gateway is None
    assert carried.gateway == Gateway(network_id=1, physical_address=b"\x00\x11")
    assert kept.of(1, D1, access, KEYS, "1/0x0011") is carried
