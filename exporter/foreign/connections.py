"""Connection strings of a storage account: what of them is secret, and whether they stay on this machine. Pure."""

import re
from collections.abc import Iterator

from exporter.foreign.addresses import is_loopback

EMULATOR = "UseDevelopmentStorage=true"
_SIGNATURE = re.compile(r"[?&]?\bsig=([^&;]+)", re.IGNORECASE)


def connection_problem(text: str) -> str:
    """What is wrong with a connection string, quoting nothing of it; "" if it leads to this machine.

    An account's key, or a signature, goes to wherever the string leads, on http if it says so. So it is for an
    emulator here, and for nothing else.
    """
    fields = _fields(text)
    if not fields:
        return f"it is not a connection string. For the storage emulator write {EMULATOR}"
    if fields.get("USEDEVELOPMENTSTORAGE") == "true":
        return ""
    ends = [fields.get("BLOBENDPOINT", ""), *filter(None, [fields.get("BLOBSECONDARYENDPOINT")])]
    if all(is_loopback(end) for end in ends):
        return ""
    return (
        f"it is for the emulator on this machine only, e.g. {EMULATOR}, and leads elsewhere. For Azure set "
        "EXPORT_STORAGE_URL, and let an identity open the account"
    )


def connection_secrets(text: str) -> tuple[str, ...]:
    """What of a connection string must not be shown: it all, its key, its signature. Of the usual one none."""
    if not text or text.rstrip(";") == EMULATOR:
        return ()
    return tuple(dict.fromkeys((text, *_keys(_fields(text)), *_SIGNATURE.findall(text))))


def _keys(fields: dict[str, str]) -> Iterator[str]:
    for name in ("ACCOUNTKEY", "SHAREDACCESSSIGNATURE"):
        if fields.get(name):
            yield fields[name]


def _fields(text: str) -> dict[str, str]:
    """The fields as the SDK reads them, by their names in capitals; none where it reads none."""
    pairs = [pair.split("=", 1) for pair in text.rstrip(";").split(";")]
    return {} if any(len(pair) < 2 for pair in pairs) else {name.upper(): value for name, value in pairs}  # noqa: PLR2004
