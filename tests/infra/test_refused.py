"""What compiles and would fail in Azure, or go wrong in silence: refused with a sentence, or put right."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.infra import compiler
from tests.infra.warm import Compiler

ID, OTHER = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
GOOD = {"READERS": ID, "ALERT_EMAILS": "you@example.com"}

pytestmark = pytest.mark.skipif(compiler.program() is None, reason=compiler.WHERE_TO_GET_IT)

# What is refused, and why: a variable's value, and words of the sentence.
REFUSED = [
    ("EXPORTER_NAME", "Amp-Exp-", 'name: "Amp-Exp-" is not lower-case letters and digits'),
    ("EXPORTER_NAME", "ab", "name"),
    ("EXPORTER_NAME", "tenletters", "name"),
    ("AZURE_LOCATION", "eastus", "location"),
    ("AZURE_LOCATION", "belgiumcentral", "location"),
    ("LOCATION_OUTSIDE_EU", "east-us", 'locationOutsideEu: "east-us" is not the short name of a region'),
    ("AZURE_ENV_NAME", "a b", 'environmentName: "a b" is not a name of azd'),
    ("TAGS", '{"a?": "b"}', 'tags: "a?" is no tag'),
    ("TAGS", json.dumps({"long": "x" * 257}), 'tags: "long" is no tag'),
    ("TAGS", json.dumps({f"t{number}": "" for number in range(49)}), "tags: more than 48"),
    ("AMP_BASE_URL", "http://amplitude.com", "ampBaseUrl: it has to begin with https://"),
    ("AMP_BASE_URL", "", "ampBaseUrl: it has to begin with https://"),
    ("AMP_BASE_URL", "https://amplitude.com/api", 'ampBaseUrl: "amplitude.com/api" is not https:// and a host'),
    ("AMP_BASE_URL", "https://me:key@amplitude.com", "is not https:// and a host, without a path"),
    ("EXPORT_CONTAINER", "Dumps", 'exportContainer: "Dumps" is not lower-case'),
    ("EXPORT_CONTAINER", "my_dumps", 'exportContainer: "my_dumps" is not lower-case'),
    ("EXPORT_CONTAINER", "-dumps", "has a hyphen at an end, or two in a row"),
    ("EXPORT_CONTAINER", "my--dumps", "has a hyphen at an end, or two in a row"),
    ("EXPORT_CONTAINER", "ab", "exportContainer"),
    ("EXPORT_PREFIX", "web", 'exportPrefix: "web" does not end with a slash'),
    ("EXPORT_PREFIX", "/web/", 'exportPrefix: "/web/" has a slash in front'),
    ("EXPORT_PREFIX", "web//a/", "or two in a row"),
    ("EXPORT_PREFIX", "wéb/", 'exportPrefix: "wéb/" is not letters'),
    ("EXPORT_DATA_OUTFILE", "a/b", 'exportDataOutfile: "a/b" is not letters'),
    ("EXPORT_DATA_OUTFILE", "", "exportDataOutfile"),
    ("EXPORT_SCHEDULE", "", 'exportSchedule: "" has not six fields'),
    ("EXPORT_SCHEDULE", "0 2 * * *", "has not six fields"),
    ("EXPORT_SCHEDULE", "0 0  2 * * *", "has not six fields"),
    ("EXPORT_SCHEDULE", "0 0 25 * * *", "exportSchedule: 25 is more than 23"),
    ("EXPORT_SCHEDULE", "0 0 two * * *", "is not six fields"),
    ("EXPORT_SCHEDULE", "0 123456 2 * * *", "exportSchedule: 123456 is more than 59"),
    ("EXPORT_TMP_LIMIT_MB", "64", "exportTmpLimitMb"),
    ("EXPORT_TMP_LIMIT_MB", "many", "exportTmpLimitMb"),
    ("EXPORT_MAX_ATTEMPTS", "6", "exportMaxAttempts"),
    ("EXPORT_DELAY_SECONDS", "60.5", 'exportDelaySeconds: "60.5" is not a number from 0 to 60'),
    ("EXPORT_DELAY_SECONDS", "1,5", 'exportDelaySeconds: "1,5" is not a number'),
    ("EXPORT_DELAY_SECONDS", ".", 'exportDelaySeconds: "." is not a number'),
    ("EXPORT_MAX_REJECTED_PERCENT", "101", 'exportMaxRejectedPercent: "101" is not a number from 0 to 100'),
    ("EXPORT_MAX_REJECTED_PERCENT", "", "exportMaxRejectedPercent"),
    ("EXPORT_LOG_LEVEL", "ERROR", "exportLogLevel"),
    ("PYTHON_VERSION", "3.11", "pythonVersion"),
    ("INSTANCE_MEMORY_MB", "1024", "instanceMemoryMb: 1024 is not 512, 2048 or 4096"),
    ("REDUNDANCY", "LRS", "exportRedundancy"),
    ("RETENTION_DAYS", "-1", "retentionDays"),
    ("RESTORE_DAYS", "366", "restoreDays"),
    ("READERS", "", "readers: nothing is given. Set READERS"),
    ("READERS", " , ", "readers: nothing is given"),
    ("READERS", ID[:-1], "is no object id. Write ID, group:ID or user:ID"),
    ("READERS", ID.replace("0a", "0g"), "is no object id"),
    ("READERS", f"app:{ID}", "is no object id"),
    ("READERS", f"{ID},user:{ID}", "readers: one id is given as a group and as a user"),
    ("READERS", f"none,{ID}", '"none" is no object id'),
    ("ALERT_EMAILS", "", "alertEmails: nothing is given, which would empty the list"),
    ("ALERT_EMAILS", "you", 'alertEmails: "you" is no address'),
    ("ALERT_EMAILS", "a@b.de;c@d.de", "is no address"),
    ("ALERT_EMAILS", "you <you@example.com>", "is no address"),
    ("ASSIGN_ROLES", "yes", "assignRoles"),
    ("DUMPS_ROLE", "mine", "dumpsRole"),
    ("VOLUME_FACTOR", "1001", "volumeFactor"),
    ("LOG_RETENTION_DAYS", "29", "logRetentionDays"),
    ("LOG_DAILY_CAP_GB", "101", "logDailyCapGb"),
]
# What is put right: the deployment is the one with the second value.
PUT_RIGHT = [
    ("READERS", f"{ID}, {ID} ,{ID.upper()},", ID),
    ("READERS", f"group:{ID}", ID),
    ("READERS", f"USER:{OTHER.upper()}", f"user:{OTHER}"),
    ("READERS", " None", "none"),
    ("ALERT_EMAILS", "you@example.com, You@Example.com,", "you@example.com"),
    ("AMP_BASE_URL", "https://Amplitude.com/ ", "https://amplitude.com"),
    ("LOCATION_OUTSIDE_EU", "East US", "eastus"),
    ("EXPORT_SCHEDULE", " 0 0 3 * * * ", "0 0 3 * * *"),
]


Deploy = Callable[..., tuple[Any, str]]


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """What would be deployed with these variables, or None and why not.

    A running compiler keeps its environment, so the values are written into the parameter file, where they are read.
    """
    tree = tmp_path_factory.mktemp("templates") / "infra"
    shutil.copytree(compiler.INFRA, tree)
    path = tree / "main.bicepparam"
    original = path.read_text(encoding="utf-8")

    def deployed(**values: str) -> tuple[Any, str]:
        def given(read: re.Match[str]) -> str:
            value = {**GOOD, **values}.get(read[1])
            return read[0] if value is None else "'" + value.replace("'", "\\'") + "'"

        text = re.sub(r"readEnvironmentVariable\('(\w+)'(?:, '[^']*')?\)", given, original)
        path.write_text(text, encoding="utf-8")
        return running.snapshot(path)

    with closing(Compiler({})) as running:
        yield deployed


@pytest.mark.parametrize(("variable", "value", "words"), REFUSED)
def test_what_cannot_be_deployed_is_refused(variable: str, value: str, words: str, deploy: Deploy) -> None:
    """Before anything is deployed, with a sentence that names the parameter."""
    snapshot, refused = deploy(**{variable: value})
    assert snapshot is None
    assert words in refused


@pytest.mark.parametrize(("variable", "value", "meant"), PUT_RIGHT)
def test_what_is_meant_is_deployed(variable: str, value: str, meant: str, deploy: Deploy) -> None:
    """What was pasted with a blank, a capital, a comma too many or twice is what it was meant to be."""
    snapshot, refused = deploy(**{variable: value})
    expected, _ = deploy(**{variable: meant})
    assert not refused
    assert snapshot == expected


def test_second_region_is_taken_only_where_there_is_one(deploy: Deploy) -> None:
    """GRS and GZRS are refused in the EU's regions without a pair, and taken in the others."""
    for region, taken in (("italynorth", False), ("swedencentral", True)):
        snapshot, refused = deploy(AZURE_LOCATION=region, REDUNDANCY="Standard_GZRS")
        assert (snapshot is not None) == taken
        assert ("exportRedundancy: italynorth has no second region" in refused) != taken


def test_every_problem_is_named_at_once(deploy: Deploy) -> None:
    """One deployment after the other for one sentence each would be tiresome."""
    values = {"EXPORTER_NAME": "A-B", "EXPORT_PREFIX": "web", "READERS": "me"}
    _, refused = deploy(**values)
    assert [name for name in ("name: ", "exportPrefix: ", "readers: ") if name not in refused] == []


def test_limits_themselves_are_taken(deploy: Deploy) -> None:
    """Nothing that the app takes is refused for being at a limit."""
    values = {
        "EXPORTER_NAME": "abcdefgh1",
        "EXPORT_CONTAINER": "a-1",
        "EXPORT_PREFIX": "Web_1/sub-2/",
        "EXPORT_DATA_OUTFILE": "A" * 60,
        "EXPORT_SCHEDULE": "0,30 */15 2-5 1 JAN-DEC MON",
        "EXPORT_DELAY_SECONDS": "60.000",
        "EXPORT_MAX_REJECTED_PERCENT": "99.9",
        "EXPORT_TMP_LIMIT_MB": "100",
        "READERS": "none",
        "ALERT_EMAILS": "first.last+alerts@sub.example.com",
    }
    snapshot, refused = deploy(**values)
    assert not refused
    assert snapshot is not None
