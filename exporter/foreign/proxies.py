"""Proxies as the environment names them: what is wrong with them, what of them is secret, how one is shown. Pure.

requests and urllib3 read the same text by different rules, and their errors quote it: only what both read alike passes.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

_NAMES = frozenset({"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"})
_LETTER = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_ADDRESS = re.compile(
    rf"(?P<scheme>https?://)?(?:(?P<user>{_LETTER}*)(?::(?P<password>{_LETTER}*))?@)?"
    r"(?P<host>[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)
_LAST_PORT = 65535


def proxy_problems(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each proxy variable that cannot be used as it stands. None of them quotes a user or a password."""
    return [f"{name}: {wrong}" for name, address in _proxies(environment) if (wrong := _wrong(address))]


def proxy_secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Users, passwords and pairs of both that stand in the proxy variables, also in those that cannot be read."""
    found = []
    for _, address in _proxies(environment):
        userinfo = address.split("//", 1)[-1].rpartition("@")[0]
        user, _, password = userinfo.partition(":")
        found += [userinfo, user, password, *map(unquote, (userinfo, user, password))]
    return tuple(dict.fromkeys(filter(None, found)))


def proxy_shown(address: str) -> str:
    """Host and port of a proxy's address, without user and password."""
    match = _ADDRESS.fullmatch(address)
    return f"{match['host']}:{match['port']}" if match and match["port"] else match["host"] if match else "not readable"


def _proxies(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environment.items():
        if name.upper() in _NAMES and value.strip():
            yield name, value


def _wrong(address: str) -> str:
    match = _ADDRESS.fullmatch(address)
    if address.lower().startswith("socks"):
        return "a SOCKS proxy is not supported. Write the address of an http:// or https:// proxy"
    if not match or not _is_host(match["host"]):
        return (
            "it is not an address of the form http://user:password@host:port. Special characters in user and password "
            "are written percent-encoded: # as %23, % as %25, @ as %40, / as %2F, [ as %5B"
        )
    # requests takes what stands before a colon for a scheme, unless a dot is in it
    if not match["scheme"] and (match["user"] is not None or (match["port"] and "." not in match["host"])):
        return "write http:// or https:// before the host"
    if match["port"] and not 1 <= int(match["port"]) <= _LAST_PORT:
        return f"its port is not a number from 1 to {_LAST_PORT}"
    try:
        unquote(f"{match['user']}{match['password']}", errors="strict").encode("latin-1")
    except UnicodeError:
        return "its user or password holds a character that basic authentication cannot send"
    return ""


def _is_host(host: str) -> bool:
    """Whether what stands in brackets, if anything does, is an IPv6 address."""
    if not host.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True
