"""Which addresses are public, and that no socket leads to another, in whatever spelling. No name is looked up."""
# ruff: noqa: RUF001  (the digits that look like others are the point)

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import UrlRefusedError
from serve.fetch import addresses
from tests.serve.fetchers import fetcher
from tests.serve.servers import PUBLIC, PUBLIC_V6, Internet

# Forbidden in whatever spelling: as a whole host, or as what a name resolves to.
FORBIDDEN_V4 = (
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1",
    "127.255.255.255", "168.63.129.16", "169.254.0.0", "169.254.169.254", "169.254.255.255", "172.16.0.0",
    "172.31.255.255", "192.0.0.0", "192.0.0.192", "192.0.2.0", "192.0.2.255", "192.88.99.0", "192.88.99.255",
    "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0",
    "203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255",
)  # fmt: skip
FORBIDDEN_V6 = (
    "::", "::1", "100::", "100::1", "100:0:0:1::1", "2001::1", "2001:1ff:ffff::1", "2001:db8::1", "2001:db8:ffff::1",
    "3ffe::1", "3fff::1", "3fff:fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff:ffff::1", "fe80::1",
    "febf:ffff::1", "fec0::1", "feff:ffff::1", "ff00::1", "ff02::1", "ffff:ffff::1", "4000::1", "::1:0:0:1",
    "1000::1",
)  # fmt: skip
EMBEDDED_FORBIDDEN = (
    "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::ffff:0:127.0.0.1", "::ffff:0:a9fe:a9fe",
    "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::127.0.0.1",
    "64:ff9b:1:7f00:0:100::", "64:ff9b:1:7f:0:1::", "64:ff9b:1:0:7f:0:100:0", "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1::", "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2001:0:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe", "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1",
    "fe80::5efe:93.184.215.14", "64:ff9b:1:a08:8:800::", "64:ff9b:1:a:8:808::", "64:ff9b:1:0:a:808:800:0",
)  # fmt: skip
PUBLIC_ADDRESSES = (
    PUBLIC, "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
    "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
    "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", PUBLIC_V6, "2000::1",
    "2001:200::1", "2001:db7::1", "2001:db9::1", "3fff:1000::1", "3ffd::1", "::ffff:93.184.215.14",
    "::ffff:0:93.184.215.14", "64:ff9b::93.184.215.14", "64:ff9b:1::93.184.215.14", "64:ff9b:1:5db8:d7:e00::",
    "2002:5db8:d70e::1", "2606:4700::5efe:93.184.215.14",
)  # fmt: skip

REFUSED_SPELLINGS = (
    "2130706433", "0x7f000001", "0x7F.1", "017700000001", "0177.0.0.1", "0x7f.0x0.0x0.0x1", "127.1", "127.0.1", "0",
    "0x0", "00000177.0.0.01", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "127.0.0.1.",
    "127。0。0。1", "１２７.０.０.１", "①②⑦.⓪.⓪.①", "１６９．２５４．１６９．２５４", "0x7f｡1", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::FFFF:7F00:1]", "[0000::0001]", "localhost", "LOCALHOST",
    "localhost.", "Ⓛocalhost", "localtest.example", "metadata.google.internal", "private.example", "zone.example",
)  # fmt: skip
BRACKETED = tuple(f"[{address}]" for address in FORBIDDEN_V6 + EMBEDDED_FORBIDDEN)


@pytest.mark.parametrize("spelling", REFUSED_SPELLINGS + FORBIDDEN_V4 + BRACKETED)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_socket_to_a_forbidden_address(internet: Internet, scheme: str, spelling: str) -> None:
    with pytest.raises(UrlRefusedError):
        fetcher(internet).fetch(f"{scheme}://{spelling}/latest/meta-data/")
    assert internet.dialled == []


@pytest.mark.parametrize("name", ["second-is-private.example", "first-is-private.example", "v6-is-private.example"])
def test_one_private_address_refuses_them_all(internet: Internet, name: str) -> None:
    with pytest.raises(UrlRefusedError):
        fetcher(internet).fetch(f"http://{name}/")
    assert internet.dialled == []


@pytest.mark.parametrize("address", FORBIDDEN_V4 + FORBIDDEN_V6 + EMBEDDED_FORBIDDEN)
def test_not_public(address: str) -> None:
    assert not addresses.is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public(address: str) -> None:
    assert addresses.is_public(ip_address(address))


@pytest.mark.parametrize("listed", [str(network) for network in addresses.NOT_PUBLIC_V6])
def test_each_listed_range_is_refused_from_end_to_end(listed: str) -> None:
    network = ip_network(listed)
    assert not addresses.is_public(network[0])
    assert not addresses.is_public(network[-1])


@pytest.mark.parametrize(
    "required",
    ["::1/128", "::/128", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32",
     "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
     "fec0::/10", "ff00::/8"],
)  # fmt: skip
def test_ranges_are_named_even_where_another_rule_covers_them(required: str) -> None:
    assert ip_network(required) in addresses.NOT_PUBLIC_V6


def test_teredo_hides_a_server_and_a_client() -> None:
    inner = addresses._tunneled(IPv6Address("2001:0:4136:e378:8000:63bf:3fff:fdd2"))
    assert list(map(str, inner)) == ["65.54.227.120", "192.0.2.45"]


@given(st.ip_addresses(v=4), st.sampled_from(["::", "::ffff:", "::ffff:0:", "64:ff9b::", "2606:4700::5efe:"]))
def test_an_ipv4_address_is_as_public_inside_an_ipv6_address(address: Any, prefix: str) -> None:
    assert addresses.is_public(IPv6Address(prefix + str(address))) == addresses.is_public(address)
