"""Which addresses belong to hosts on the public Internet."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Whatever is not a host on the public Internet, from the IANA special-purpose address registries.
NOT_PUBLIC_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network: RFC 791, 3.2
            "10.0.0.0/8",  # private: RFC 1918
            "100.64.0.0/10",  # carrier-grade NAT: RFC 6598
            "127.0.0.0/8",  # loopback: RFC 1122, 3.2.1.3
            "168.63.129.16/32",  # Azure's host agent, a public address with a private meaning
            "169.254.0.0/16",  # link-local: RFC 3927; cloud metadata lives at 169.254.169.254
            "172.16.0.0/12",  # private: RFC 1918
            "192.0.0.0/24",  # protocol assignments: RFC 6890, 2.1
            "192.0.2.0/24",  # documentation: RFC 5737
            "192.88.99.0/24",  # 6to4 relays, withdrawn: RFC 7526
            "192.168.0.0/16",  # private: RFC 1918
            "198.18.0.0/15",  # benchmarking: RFC 2544
            "198.51.100.0/24",  # documentation: RFC 5737
            "203.0.113.0/24",  # documentation: RFC 5737
            "224.0.0.0/4",  # multicast: RFC 5771
            "240.0.0.0/4",  # reserved, with broadcast: RFC 1112, 4; RFC 919
        ),
    )
)
# Those outside 2000::/3 would be refused unnamed (see `is_public`); they are named to be read beside IANA's list.
NOT_PUBLIC_V6: Final = tuple(
    map(
        IPv6Network,
        (
            "::/128",  # unspecified: RFC 4291, 2.5.2
            "::1/128",  # loopback: RFC 4291, 2.5.3
            "100::/64",  # discard: RFC 6666
            "100:0:0:1::/64",  # dummy prefix: RFC 9780
            "2001::/23",  # protocol assignments, with Teredo, ORCHID and benchmarking: RFC 2928
            "2001:db8::/32",  # documentation: RFC 3849
            "3ffe::/16",  # the 6bone, returned: RFC 3701
            "3fff::/20",  # documentation: RFC 9637
            "5f00::/16",  # segment routing: RFC 9602
            "fc00::/7",  # unique local: RFC 4193; Amazon's metadata lives at fd00:ec2::254
            "fe80::/10",  # link-local: RFC 4291, 2.5.6
            "fec0::/10",  # site-local: RFC 3879
            "ff00::/8",  # multicast: RFC 4291, 2.7
        ),
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # all that IANA hands out: RFC 4291, 2.4
# No hosts of their own: the last 32 bits are the IPv4 address that is meant.
_IPV4_IN_IPV6: Final = tuple(
    map(
        IPv6Network,
        (
            "::/96",  # IPv4-compatible: RFC 4291, 2.5.5.1
            "::ffff:0:0/96",  # IPv4-mapped: RFC 4291, 2.5.5.2
            "::ffff:0:0:0/96",  # IPv4-translated: RFC 2765, 2.1
            "64:ff9b::/96",  # NAT64: RFC 6052, 2.1
        ),
    )
)
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_THIS_NETWORK: Final = NOT_PUBLIC_V4[0]


def is_public(address: Address) -> bool:
    """Whether an address, and every IPv4 address inside it, belongs to a host on the public Internet.

    Unlike `ipaddress`'s `is_global`, which says yes to multicast, to 6to4 relays and to NAT64 of a private address.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_V4)
    if any(address in network for network in NOT_PUBLIC_V6):
        return False
    translated = _translated(address)
    if not translated and address not in _GLOBAL_UNICAST:
        return False
    return all(map(is_public, translated + _tunneled(address)))


def _translated(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an address outside the global unicast range may stand for."""
    packed = address.packed
    if address in _LOCAL_NAT64:
        # RFC 6052, 2.2: the IPv4 address follows a prefix of 48, 56, 64 or 96 bits, around octet 8. Which one, only the
        # network knows, so all of them count; but those in 0.0.0.0/8 are padding.
        digits = packed[:8] + packed[9:]
        candidates = [IPv4Address(digits[start : start + 4]) for start in (6, 7, 8, 11)]
        return [candidate for candidate in candidates if candidate not in _THIS_NETWORK]
    if any(address in network for network in _IPV4_IN_IPV6):
        return [IPv4Address(packed[12:])]
    return []


def _tunneled(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses to which a tunnel would carry what is sent to a global unicast address."""
    inner: list[IPv4Address] = []
    if address.sixtofour:  # RFC 3056, 2
        inner.append(address.sixtofour)
    if address.teredo:  # RFC 4380, 4: the server, and the client with its bits flipped
        inner.extend(address.teredo)
    if address.packed[8:12] in (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe"):  # ISATAP: RFC 5214, 6.1
        inner.append(IPv4Address(address.packed[12:]))
    return inner
