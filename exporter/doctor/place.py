"""Does the store let us in, and may we write and delete there?"""

from collections.abc import Iterator
from datetime import datetime

from exporter.days.missed import missed
from exporter.days.stored import Days
from exporter.doctor.found import FAILED, OK, Check
from exporter.privacy.keyed import Kept
from exporter.settings import Settings
from exporter.wiring import days_in, layout_of, open_stores

PLACE = ("identity", "container", "write", "delete", "ledger", "erasures")
CONTENT = b"written by `doctor`, and may be deleted\n"


def check_place(settings: Settings, run: str, now: datetime) -> Iterator[Check]:
    """Do with an object of this call's own what an export does with its own; look at the ledger's end, and add no line.

    Raises:
        ExportError: the store refuses the check that is next.
        OSError: the folder does.
    """
    name = f"{settings.prefix}doctor-{run}"
    with open_stores(settings) as (store, beside):
        where = str(store)
        yield Check("identity", OK, _identity(settings))
        next(iter(store.list(layout_of(settings).manifests)), None)
        yield Check("container", OK, f"{where} can be listed")
        store.write(name, CONTENT, seen=None, metadata={})
        back = store.read(name)
        if back is None or back[0] != CONTENT:
            yield Check("write", FAILED, f"{name} does not hold what was written to it. Who else writes to {where}?")
        else:
            yield Check("write", OK, "an object could be written and read back")
        store.delete(name)
        if store.stat(name):
            yield Check("delete", FAILED, f"{name} is there still, after it was deleted. Delete it by hand")
        else:
            yield Check("delete", OK, "the object could be deleted")
        yield _check_ledger(days_in(store, settings, beside), now)
        yield Check("erasures", OK, _erasures(Kept(store, layout_of(settings), settings.erasure_key)))


def _check_ledger(days: Days, now: datetime) -> Check:
    head = days.ledger.head(now.year)
    if head:
        return Check("ledger", OK, f"its last line is {head}")
    gone = missed(days, days.coverage(now), now.year)
    return (
        Check("ledger", FAILED, gone) if gone else Check("ledger", OK, "there is none yet: the first export begins it")
    )


def _erasures(kept: Kept) -> str:
    """Whether exports can leave out those who were erased.

    Raises:
        PermanentError: they cannot: the key is missing or another, or a record is damaged.
    """
    count = kept.check()
    if not count:
        return "nobody was erased so far" + ("" if kept.key else "; before somebody is, set EXPORT_ERASURE_KEY")
    return f"the key is that of what is kept of erased people ({count} records)"


def _identity(settings: Settings) -> str:
    if settings.storage_url:
        return "the identity has a token for storage"
    if settings.storage_connection_string:
        return "none is needed for the emulator"
    return "none is needed for a folder"
