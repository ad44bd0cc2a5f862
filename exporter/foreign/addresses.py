"""Addresses as settings name them, read in one way by who checks them and by who connects.

Parsers disagree about whatever is not plain: a backslash, a user, an escape, a number in place of a host. An address
that one of them checks and another one connects to leads elsewhere. So the grammar here is narrower than any of them,
and `connecting` asks urllib3 as well, which is what connects.
"""

import ipaddress
import re
from dataclasses import dataclass

LAST_PORT = 65535
LONGEST_HOST = 253
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_STEP = r"/[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
_ADDRESS = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_NAME}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    rf"(?P<path>(?:{_STEP})*/?)"
)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
"""A last part of a host that the system may take for a part of an IPv4 address, whatever a parser says."""


@dataclass(frozen=True, slots=True)
class Address:
    """A plain address: no user, no query, no fragment, nothing escaped. ``host`` in small letters, no brackets."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def loopback(self) -> bool:
        """Whether it is this machine."""
        if self.host == "localhost":
            return True
        try:
            found = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return found.is_loopback and not getattr(found, "ipv4_mapped", None)  # Pythons disagree about the mapped ones

    @property
    def guarded(self) -> bool:
        """Whether nobody on the way can read what is sent: TLS, or no way at all."""
        return self.scheme == "https" or self.loopback


def read(url: str) -> Address | None:
    """The address, or None where it is not a plain one."""
    match = _ADDRESS.fullmatch(url)
    if not match or not is_host(match["host"]) or int(match["port"] or 1) > LAST_PORT:
        return None
    port = int(match["port"]) if match["port"] else None
    return Address(match["scheme"], match["host"].strip("[]").lower(), port, match["path"])


def connecting(url: str) -> Address | None:
    """As `read`, for who is about to connect: None, too, where urllib3 reads anything else."""
    from urllib3.exceptions import LocationParseError  # noqa: PLC0415 - 70 ms that who only checks is spared
    from urllib3.util import parse_url  # noqa: PLC0415 - as above

    address = read(url)
    try:
        found = parse_url(url)
    except LocationParseError:
        return None
    theirs = found.scheme, (found.host or "").strip("[]"), found.port, found.path or ""
    plain = (found.auth, found.query, found.fragment) == (None, None, None)
    ours = address and (address.scheme, address.host, address.port, address.path)
    return address if plain and theirs == ours else None


def is_host(host: str) -> bool:
    """Whether it is a host's name, an IPv4 address as everybody writes it, or an IPv6 address in brackets."""
    try:
        if host.startswith("["):
            return bool(ipaddress.IPv6Address(host[1:-1]))
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            return bool(ipaddress.IPv4Address(host))  # not 2130706433, 0177.0.0.1 or 127.1: they are read in two ways
    except ValueError:
        return False
    return len(host) <= LONGEST_HOST and re.fullmatch(_NAME, host) is not None


def is_loopback(url: str) -> bool:
    """Whether ``url`` is a plain address of this machine."""
    address = read(url)
    return address is not None and address.loopback
