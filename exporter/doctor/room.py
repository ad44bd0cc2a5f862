"""Is there room for working files?"""

import shutil
import tempfile
from collections.abc import Iterator

from exporter.doctor.found import FAILED, OK, Check
from exporter.settings import MEGABYTE, Settings

ROOM = ("temp room",)


def check_room(settings: Settings) -> Iterator[Check]:
    """Hold the temp folder against EXPORT_TMP_LIMIT_MB.

    Raises:
        OSError: no file can be written there.
    """
    with tempfile.TemporaryFile() as file:
        file.write(b"room?")
    folder = tempfile.gettempdir()
    free, needed = shutil.disk_usage(folder).free // MEGABYTE, settings.tmp_limit_mb
    told = f"{folder} has {free} MB free, and EXPORT_TMP_LIMIT_MB is {needed}"
    if free < needed:
        yield Check(ROOM[0], FAILED, f"{told}: a big day would fail. Lower it, or set TMPDIR to a larger folder")
    else:
        yield Check(ROOM[0], OK, told)
