"""What is wrong with a setting, in words of settings: what it may be, an example, and nothing secret."""

import difflib
from collections.abc import Iterable
from dataclasses import Field
from typing import Any, get_args

import msgspec

from exporter.foreign import Foreign, printable
from exporter.foreign.addresses import read

LONGEST_SHOWN = 60
"""Characters of a wrong value, or of a name, that are shown."""
BLOB_SUFFIXES = ("blob.core.windows.net", "blob.core.chinacloudapi.cn", "blob.core.usgovcloudapi.net")
"""Of Azure's public cloud, China's and the US government's."""
_LEAST_DIFFERENT = 10  # characters of a key that is made at random; 32 hexadecimal digits nearly always have more
_WHOLE_SUFFIX = 2  # parts: one alone would be a whole zone


def wrong_value(item: Field[Any], kind: Any, text: str, foreign: Foreign) -> str:
    """A sentence about a value that a setting cannot have."""
    told = item.metadata
    # what is longer was blanked before it is cut
    shown = "" if told["secret"] else f" (it is '{foreign(text)[:LONGEST_SHOWN].rstrip()}')"
    example = told["example"] or (f"{item.default:g}" if isinstance(item.default, float) else item.default)
    return (
        f"{told['name']}: it is not {told['allowed'] or allowed(kind)}{shown}. Write for example {example}. "
        f"It means: {told['meaning']}"
    )


def allowed(kind: Any) -> str:
    """The values of a number, or of a path, in words."""
    number, *metas = get_args(kind) or (kind,)
    what = {int: "a whole number", float: "a number"}.get(number)
    meta = next((meta for meta in metas if isinstance(meta, msgspec.Meta)), None)
    if what is None or meta is None:
        return "a path of printable characters"
    return f"{what} from {meta.ge:g} to {meta.le:g}" if meta.le is not None else f"{what} of {meta.ge:g} or more"


def key_problem(name: str, value: str, *, needed: bool) -> str:
    """What is wrong with one of the project's keys; nothing of it is quoted."""
    if needed and value.startswith("@Microsoft.KeyVault("):
        return (
            f"{name}: the Key Vault reference is not resolved yet. Look at the app's environment variables in "
            "the portal: the identity may lack the role Key Vault Secrets User, or the secret is not there yet"
        )
    if value and not (value.isascii() and value.isprintable()):
        return f"{name}: it holds a character that no key has. Copy it once more, without quotes"
    if needed and not value:
        return f"{name} is missing. Put it into .env or the environment (Amplitude: Settings, Projects)"
    return ""


def erasure_key_problem(name: str, value: str) -> str:
    """What is wrong with the key of what is kept of erased people; nothing of it is quoted."""
    if value and len(set(value)) < _LEAST_DIFFERENT:
        return f"{name}: it is too easy to guess. Make one with `openssl rand -base64 32`"
    return key_problem(name, value, needed=bool(value))


def source_problem(name: str, url: str) -> str:
    """What is wrong with an address that the project's keys are sent to: TLS, or this machine; no path."""
    address = read(url)
    if address is None:
        return _not_plain(name, url, "https://amplitude.com")
    if not address.guarded:
        return f"{name}: http is for this machine only (its host is {address.host}). Write https://{address.host}"
    if address.path.strip("/"):
        return f"{name}: it has a path. Write scheme and host only, for example https://{address.host}"
    return ""


def storage_problem(name: str, url: str, suffix: str) -> str:
    """What is wrong with an address that an identity's token is sent to.

    An account of Azure's, or of the cloud whose ``suffix`` is set; on this machine an emulator's, whose account is a
    path. Always over TLS.
    """
    own = suffix if suffix and not suffix_problem("", suffix) else ""
    example = f"https://myaccount.{own or BLOB_SUFFIXES[0]}"
    address = read(url)
    if address is None:
        return _not_plain(name, url, example)
    if address.scheme != "https":
        return (
            f"{name}: an identity's token goes over https only. Write for example {example}; for an emulator without "
            "TLS set EXPORT_STORAGE_CONNECTION_STRING in its place"
        )
    steps = address.path.strip("/").split("/")
    if address.loopback:
        return "" if len(steps) == 1 else f"{name}: on this machine it has one path, the emulator's account"
    account, _, found = address.host.partition(".")
    if found not in {*BLOB_SUFFIXES, *filter(None, [own.lower()])} or not (account.isalnum() and account.islower()):
        return (
            f"{name}: it is no storage account of Azure's (its host is {address.host}). Write for example {example}. "
            "For another cloud, or a DNS zone of accounts, name what follows the account in EXPORT_STORAGE_SUFFIX"
        )
    if steps != [""] or address.port:
        return f"{name}: it has a path or a port. Write scheme and host only, for example https://{address.host}"
    return ""


def ping_problem(name: str, url: str) -> str:
    """What is wrong with the address that a run tells of itself. Nothing of it is quoted: it is a secret."""
    address = read(url)
    example = "https://hc-ping.com/<your check's UUID>"
    if address is None:
        return _not_plain(name, url, example)
    return "" if address.guarded else f"{name}: http is for this machine only. Write for example {example}"


def suffix_problem(name: str, suffix: str) -> str:
    """What is wrong with a suffix of storage accounts: the name of a zone, which has two parts at least."""
    address = read(f"https://{suffix}") if suffix else None
    parts = address.host.split(".") if address else []
    plain = address and (address.host, address.port, address.path) == (suffix.lower(), None, "")
    if not suffix or (plain and len(parts) >= _WHOLE_SUFFIX and not parts[-1].isdigit()):
        return ""
    return (
        f"{name}: it is not the end of a host's name. Write for example blob.local.azurestack.external, without a dot "
        "before it"
    )


def _not_plain(name: str, url: str, example: str) -> str:
    if "@" in url:
        return f"{name}: it holds a user or a password, which no address may. Write for example {example}"
    return (
        f"{name}: it is not a plain address: https://, a host in ASCII, perhaps a port; no query, no escapes, no dot "
        f"at the end. Write for example {example}"
    )


def unknown_names(values: Iterable[str], known: Iterable[str]) -> list[str]:
    """A warning for each name that looks like a setting and is none, with the nearest known one."""
    warnings = []
    known = frozenset(known)
    for name in sorted(values):
        if name.startswith(("EXPORT_", "AMP_")) and name not in known:
            shown = printable(name)[:LONGEST_SHOWN]
            near = difflib.get_close_matches(shown, known, 1)
            hint = f", did you mean {near[0]}?" if near else ""
            warnings.append(f"{shown} is not a setting of this exporter{hint}")
    return warnings
