"""The command `report`: a page about the last 90 days."""

import logging
import sys

from exporter.cli.call import DONE, Call
from exporter.cli.logs import log_to_console
from exporter.cli.putting import put_page
from exporter.settings import Settings
from exporter.tables.nightly import page_of
from exporter.wiring import open_days, tables_of


def write_report(call: Call) -> int:
    """Write the page into the file that is named."""
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    log_to_console(settings, logging.StreamHandler(sys.stderr))
    call.warn()
    with open_days(settings) as days:
        page = page_of(tables_of(days), call.clock.now(), settings.tmp_limit)
    put_page(call.arguments.out, "--out", page)
    print(f"Written: {call.arguments.out}")
    return DONE
