"""What the HTTP functions answer, without HTTP. functions_host/ has the rest."""

import json
from datetime import date, timedelta

import pytest

from exporter.app.api import (
    HEADERS,
    Shown,
    answer_coverage,
    answer_day,
    answer_error,
    answer_health,
    answer_stop,
    show_coverage,
)
from exporter.days.coverage import Coverage, Row
from exporter.days.manifest import FINAL, Failure
from exporter.days.rules import StoredDay
from exporter.doctor.checks import Report
from exporter.doctor.found import FAILED, OK, WARNING, Check
from exporter.errors import StoreError
from exporter.pages.page import headers
from exporter.pages.shown import showing
from exporter.settings import Settings
from exporter.store import ANY, Entry
from exporter.tables.derive import SOURCE
from tests.kit import DAY
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on, manifest_of, moment

NOW = moment(DAY, 26)
BEFORE = DAY - timedelta(days=1)
SHOW = showing(Settings())


def failed(day: date, kind: str = "retriable") -> Failure:
    """A failure record."""
    return Failure(day, kind, "bad luck", 1, 24, "run-1", NOW)


def test_coverage_shows_the_range_and_the_whole_state() -> None:
    """Rows are of the range; newest, missing and due are of the whole store."""
    rows = (Row(BEFORE - timedelta(days=1)), Row(BEFORE, FINAL, whole=True, events=3), Row(DAY, failure=failed(DAY)))
    coverage = Coverage(rows, DAY)
    answer = json.loads(answer_coverage(coverage, BEFORE, BEFORE, days_on(MemoryStore()), Settings(), NOW).text)
    assert [row["day"] for row in answer["days"]] == ["2025-11-05"]
    assert (answer["newest"], answer["missing"]) == ("2025-11-05", ["2025-11-04", "2025-11-06"])
    assert answer["due"] == ["2025-11-06", "2025-11-04"]
    assert answer["tables_due"] is None


def test_coverage_and_page_show_which_tables_are_due() -> None:
    """Where tables are asked for: whole days that have none. JSON names them, the page counts them."""
    rows = (Row(BEFORE, FINAL, whole=True, events=3, sha256="a" * 64), Row(DAY, FINAL, whole=True, sha256="b" * 64))
    coverage, store, settings = Coverage(rows, DAY), MemoryStore(), Settings(tables="parquet")
    store.put(LAYOUT.table(BEFORE), b"rows", ANY, {SOURCE: "a" * 64})
    asked = coverage, BEFORE, DAY, days_on(store), settings, NOW
    assert json.loads(answer_coverage(*asked).text)["tables_due"] == ["2025-11-06"]
    page = show_coverage(*asked).text
    assert "<dt>Tables due</dt><dd>1</dd>" in page
    assert "<h3>1 table is due</h3>" in page
    store.put(LAYOUT.table(DAY), b"rows", ANY, {SOURCE: "b" * 64})
    assert json.loads(answer_coverage(*asked).text)["tables_due"] == []
    assert "<dt>Tables due</dt><dd>none</dd>" in show_coverage(*asked).text


def test_a_day_shows_its_manifest_and_its_failure() -> None:
    """One day's answer is what stands in the store; 404 if that is nothing."""
    stored = StoredDay(DAY, manifest=manifest_of(), manifest_etag='"1"', failure=failed(DAY))
    answer = json.loads(answer_day(stored, SHOW).text)
    assert (answer["day"], answer["whole"], answer["damage"]) == ("2025-11-06", False, None)
    assert answer["manifest"] == json.loads(manifest_of().to_json())
    assert answer["failure"]["reason"] == "bad luck"
    nothing = answer_day(StoredDay(DAY), SHOW)
    assert (nothing.status, nothing.body) == (404, {"error": "nothing is on record for 2025-11-06"})


@pytest.mark.parametrize("dump", [None, Entry("20251106_0000_ampl_dump.json", 1000, "1000-1", None)])
def test_a_damaged_day_says_what_does_not_fit(dump: Entry | None) -> None:
    """Damage is an answer, not a 404, with a manifest or without; such a day is not whole."""
    answer = answer_day(StoredDay(DAY, dump, damage="the manifest is none"), SHOW)
    assert (answer.status, answer.body["damage"]) == (200, "the manifest is none")
    assert (answer.body["whole"], answer.body["manifest"], answer.body["failure"]) == (False, None, None)
    answer = answer_day(StoredDay(DAY, dump, manifest_of(), damage="it does not fit"), SHOW)
    assert (answer.status, answer.body["damage"], answer.body["whole"]) == (200, "it does not fit", False)


def test_our_own_trouble_is_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A store that cannot be reached is no mistake of the one who asks; the operator reads it, too."""
    answer = answer_error(StoreError("the store is away"))
    assert (answer.status, answer.body) == (500, {"error": "the store is away"})
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "the store is away" in caplog.text


def test_every_answer_keeps_to_https_and_out_of_caches() -> None:
    """JSON and page alike; the page adds what it needs, and takes nothing away."""
    names = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    assert HEADERS.items() >= names.items()
    assert int(HEADERS["Strict-Transport-Security"].removeprefix("max-age=")) > 365 * 24 * 3600
    assert answer_stop(NOW).headers == HEADERS
    assert Shown("").headers == HEADERS | headers()
    assert not HEADERS.keys() & headers().keys()


@pytest.mark.parametrize(("result", "status"), [(OK, 200), (WARNING, 200), (FAILED, 503)])
def test_health_is_a_status_and_a_list(result: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """A failed check is 503 and a line in the log; a warning is neither."""
    answer = answer_health(Report("run-1", (Check("keys", OK, "good"), Check("clock", result, "slow"))))
    assert (answer.status, answer.body["ok"], answer.body["run"]) == (status, result != FAILED, "run-1")
    assert answer.body["checks"][1] == {"name": "clock", "result": result, "sentence": "slow"}
    assert caplog.messages == (["check failed: name=clock slow"] if result == FAILED else [])


def test_a_stop_tells_its_time() -> None:
    """202: the chains end at their next day, not this moment."""
    answer = answer_stop(NOW)
    assert (answer.status, answer.body["asked_at"]) == (202, "2025-11-07T02:00:00+00:00")
