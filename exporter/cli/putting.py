"""Pages that go where the arguments say: in one step, and for nobody else to read unless they say so."""

import os
import stat
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.errors import SettingsError

if TYPE_CHECKING:
    from exporter.cli.call import Call
    from exporter.days.coverage import Coverage
    from exporter.days.stored import Days
    from exporter.settings import Settings

OWN = 0o600


def put_page(path: Path, option: str, page: str) -> None:
    """Whoever looks at the file sees the old page or the new one. A new file is its owner's; an old one keeps its mode.

    Raises:
        SettingsError: it cannot be written; ``option`` is what named it.
    """
    making = path.with_name(f".{path.name or 'page'}.new")
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.is_file() else OWN
        making.unlink(missing_ok=True)
        with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN), "w", encoding="utf-8") as file:
            file.write(page)
        making.chmod(mode)
        making.replace(path)
    except OSError as error:
        making.unlink(missing_ok=True)
        raise SettingsError(f"{option} {path} cannot be written: {error.strerror}") from error


def place_of(settings: "Settings", *, full: bool = False) -> str:
    """Where the store is, as the settings say; ``full``: a folder with all that leads to it."""
    if settings.storage_url or settings.storage_connection_string:
        return f"{settings.container}/{settings.prefix}"
    return f"{Path(settings.data_dir).absolute() if full else settings.data_dir}/{settings.prefix}"


def write_coverage(
    call: "Call", coverage: "Coverage", days: "Days", settings: "Settings", tables_due: Sequence[date] | None
) -> None:
    """Write the coverage page; what draws it is imported by whoever wants one."""
    from exporter.days.erasures import Erasures  # noqa: PLC0415 - see above
    from exporter.pages.frame import Frame  # noqa: PLC0415 - see above
    from exporter.pages.page import MOST_ERASURES, render  # noqa: PLC0415 - see above
    from exporter.pages.rejections import read_rejections  # noqa: PLC0415 - see above
    from exporter.pages.shown import showing  # noqa: PLC0415 - see above

    now, rejections = call.clock.now(), read_rejections(days, coverage.rows)
    frame = Frame(
        place_of(settings),
        now,
        showing(settings),
        program=call.program,
        tables_due=tables_due,
        ledger=days.ledger.shown(now.year),
        erasures=Erasures.of(days).newest(MOST_ERASURES),
    )
    put_page(call.arguments.html, "--html", render(coverage, coverage.rows, rejections, days.timing, frame))
