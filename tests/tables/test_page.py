import json
import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from exporter.export import export_day
from exporter.settings import Settings
from exporter.simulator import Simulator
from exporter.tables.nightly import page_of
from exporter.wiring import open_days, tables_of
from tests.kit import DAY
from tests.kit.blobs import SECOND_LOOK, asking, exporting, folder_env
from tests.tables.hostile import event, export_lines

LAST = date(2025, 11, 7)
"""The day before the second look."""


def seen(day: date, person: int, number: int, **more: object) -> bytes:
    """An event of a person on a day."""
    moment = f"{day} 12:00:00.000000"
    given = {"event_time": moment, "amplitude_id": person, "uuid": f"{day}-{person}-{number}", "event_properties": {}}
    return event(number, **given | more)


def page(folder: Path, days: dict[date, Sequence[bytes]]) -> str:
    """The page about an archive of these days."""
    export_lines(days, folder / "data")
    with open_days(Settings.from_mapping(folder_env(folder), keys_needed=False)) as stored:
        return page_of(tables_of(stored), SECOND_LOOK, 10**8)


def text_of(shown: str) -> str:
    """What a reader sees, without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", shown, flags=re.DOTALL))


def test_the_figures_are_those_of_the_events(tmp_path: Path) -> None:
    """People, new and returning, events, who came back a week later, top events and properties."""
    week = LAST - timedelta(days=20)  # a Saturday
    later, before = week + timedelta(days=7), LAST - timedelta(days=100)
    shown = text_of(
        page(
            tmp_path,
            {
                before: [seen(before, 9, 0, event_type="long ago")],
                week: [seen(week, 1, 0, event_type="begun"), seen(week, 2, 0, event_type="begun"), seen(week, 9, 0)],
                later: [seen(later, 1, n, event_type="again", event_properties={"price": n}) for n in range(3)],
            },
        )
    )
    assert "People 3 New people 2 Events 6 Events a person 2.0" in shown
    assert f"{later} 1 0 1 3" in shown  # people, new, returning, events
    assert f"{week} 3 2 1 3" in shown
    assert f"{week - timedelta(days=5)} 2 0 % 50 % 0 % - -" in shown  # the week's Monday; a later day is not known yet
    assert "again 3 1" in shown
    assert "begun 2 2" in shown
    assert "price 3 3" in shown
    assert "long ago" not in shown


def test_what_clients_sent_is_text(tmp_path: Path) -> None:
    """Names of events and properties are shown, never run; the page asks for nothing from elsewhere."""
    nasty = "<script>alert(1)</script>"
    odd = seen(DAY, 1, 0, event_type=nasty, event_properties={nasty: 1, 'a"b': 2, "c'; --": 3})
    shown = page(tmp_path, {DAY: [odd, seen(DAY, 1, 1, event_properties="text", event_type=None)]})
    assert nasty not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script" not in shown
    assert "(none)" in shown
    assert not re.search(r'(src|href)=|@import|url\(|="https?:', shown)
    assert "default-src &#39;none&#39;" in shown or "default-src 'none'" in shown


def test_an_archive_without_events_has_a_page(tmp_path: Path) -> None:
    """It says that there is none."""
    assert "No event in these days." in page(tmp_path, {DAY: []})


def test_the_night_writes_the_page_behind_yesterday(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Into the store, once a night; when it cannot be written the day is whole and the old page stays."""
    with Simulator(events_per_hour=5) as simulator:
        env = asking(folder_env(tmp_path), simulator) | {"EXPORT_REPORT": "on"}
        written = tmp_path / "data/report.html"
        with exporting(env) as core:
            export_day(DAY, core)
            assert not written.exists()
            export_day(LAST, core)
            before = written.read_text()
            assert str(LAST) in before
        with pytest.MonkeyPatch.context() as patch, exporting(env) as core:
            patch.setattr("exporter.tables.nightly.MEMORY_MB", "no number of ")
            export_day(LAST, core)
    assert "report failed: reason=" in caplog.text
    assert written.read_text() == before
    assert json.loads((tmp_path / "data/manifests/20251107_0000.json").read_text())["events"]
