"""What compiles and would fail in Azure, or go wrong in silence: refused with a sentence, or put right."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.infra import compiler
from tests.infra.given import ID, OTHER, PUT_RIGHT, REFUSED
from tests.infra.warm import Compiler

GOOD = {"READERS": ID, "ALERT_EMAILS": "you@example.com"}

pytestmark = pytest.mark.skipif(compiler.program() is None, reason=compiler.WHERE_TO_GET_IT)

Deploy = Callable[..., tuple[Any, str]]


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """What would be deployed with these variables, or None and why not."""
    tree = tmp_path_factory.mktemp("templates") / "infra"
    shutil.copytree(compiler.INFRA, tree)
    with _deploying(tree) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def deploy_open(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """The same of templates whose secrets are open: nothing that hangs on a secure parameter is evaluated."""
    tree = tmp_path_factory.mktemp("open") / "infra"
    shutil.copytree(compiler.INFRA, tree)
    (tree / "bicepconfig.json").unlink()
    for template in (tree / "main.bicep", tree / "modules/vault.bicep"):
        template.write_text(template.read_text(encoding="utf-8").replace("@secure()\n", ""), encoding="utf-8")
    with _deploying(tree) as deployed:
        yield deployed


@contextmanager
def _deploying(tree: Path) -> Iterator[Deploy]:
    """A running compiler keeps its environment, so values are written into the parameter file, where they are read."""
    path = tree / "main.bicepparam"
    original = path.read_text(encoding="utf-8")
    known: dict[str, tuple[Any, str]] = {}

    def deployed(**values: str) -> tuple[Any, str]:
        def given(read: re.Match[str]) -> str:
            value = {**GOOD, **values}.get(read[1])
            return read[0] if value is None else "'" + value.replace("'", "\\'") + "'"

        text = re.sub(r"readEnvironmentVariable\('(\w+)'(?:, '[^']*')?\)", given, original)
        if text not in known:
            path.write_text(text, encoding="utf-8")
            known[text] = running.snapshot(path)
        return known[text]

    with closing(Compiler({})) as running:
        yield deployed


def _together(variable: str, value: str, words: str) -> dict[str, str]:
    """The values that a case is deployed with.

    Sentences of the template's own come all at once, so that cases of different variables share a deployment: the first
    of each variable, the second of each, and so on. What a decorator refuses is deployed alone.
    """
    if " " not in words:
        return {variable: value}
    ours = [case for case in REFUSED if " " in case[2]]
    place = [case for case in ours if case[0] == variable].index((variable, value, words))
    by_variable = {name: [other for this, other, _ in ours if this == name] for name, _, _ in ours}
    return {name: values[place] for name, values in by_variable.items() if place < len(values)}


@pytest.mark.parametrize(("variable", "value", "words"), REFUSED)
def test_what_cannot_be_deployed_is_refused(variable: str, value: str, words: str, deploy: Deploy) -> None:
    """Before anything is deployed, with a sentence that names the parameter."""
    snapshot, refused = deploy(**_together(variable, value, words))
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


def test_ledger_is_refused_in_the_container_of_the_dumps(deploy: Deploy) -> None:
    """A policy holds for a whole container: no day could be looked at a second time."""
    snapshot, refused = deploy(EXPORT_CONTAINER="web", EXPORT_LEDGER_CONTAINER="web")
    assert snapshot is None
    assert 'exportLedgerContainer: "web" is the container of the dumps, which come and go' in refused


@pytest.mark.parametrize("setting", [{"EXPORT_TABLES": "parquet"}, {"EXPORT_REPORT": "on"}])
def test_tables_are_refused_where_there_is_no_room_for_them(setting: dict[str, str], deploy: Deploy) -> None:
    """DuckDB beside host and worker does not fit into the smallest instance."""
    snapshot, refused = deploy(INSTANCE_MEMORY_MB="512", **setting)
    assert snapshot is None
    assert "instanceMemoryMb: 512 is too little for EXPORT_TABLES and EXPORT_REPORT" in refused
    assert deploy(INSTANCE_MEMORY_MB="512")[1] == deploy(INSTANCE_MEMORY_MB="2048", **setting)[1] == ""


def test_key_of_erasures_is_not_given_in_vain(deploy_open: Deploy) -> None:
    """Without ERASURE=true the app would not read it, and the next deployment would not know of it."""
    snapshot, refused = deploy_open(EXPORT_ERASURE_KEY="made-up-key")
    assert snapshot is None
    assert "exportErasureKey: it is given, and erasure is false. Set ERASURE=true" in refused
    assert "made-up" not in refused
    snapshot, refused = deploy_open(EXPORT_ERASURE_KEY="made-up-key", ERASURE="true")
    assert snapshot is None
    assert "it has less than 32 characters" in refused
    assert "made-up" not in refused
    made_up = "made-up-key-" * 3
    snapshot, refused = deploy_open(EXPORT_ERASURE_KEY=f" {made_up} ", ERASURE="true")
    assert not refused
    secrets = [each for each in snapshot["predictedResources"] if each["type"] == "Microsoft.KeyVault/vaults/secrets"]
    assert [(each["name"].split("/")[1], each["properties"]["value"]) for each in secrets] == [("ERASURE-KEY", made_up)]


def test_every_problem_is_named_at_once(deploy: Deploy) -> None:
    """One deployment after the other for one sentence each would be tiresome."""
    values = {"EXPORTER_NAME": "A-B", "EXPORT_PREFIX": "web", "READERS": "me"}
    _, refused = deploy(**values)
    assert [name for name in ("name: ", "exportPrefix: ", "readers: ") if name not in refused] == []


def test_administrator_is_told_of_each_reader_and_container(deploy: Deploy) -> None:
    """Whoever may not assign roles hands over a command for each reader, for the dumps and for the ledger."""
    snapshot, _ = deploy(ASSIGN_ROLES="false", READERS=f"{ID},user:{OTHER}", ERASURE="true")
    told = str(snapshot["outputs"]["missingReaderRoles"])
    for container in ("containers/amplitude ", "containers/amplitude-ledger "):
        assert told.count(container) == 2
    assert "secrets/ERASURE-KEY" in str(snapshot["outputs"]["missingRoles"])
    assert "secrets/ERASURE-KEY" not in str(deploy(ASSIGN_ROLES="false")[0]["outputs"]["missingRoles"])


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
        "EXPORT_LEDGER_CONTAINER": "l-1",
        "EXPORT_SCRUB_DAYS": "0",
        "LEDGER_RETENTION_DAYS": "146000",
        "READERS": "none",
        "ALERT_EMAILS": "first.last+alerts@sub.example.com",
    }
    snapshot, refused = deploy(**values)
    assert not refused
    assert snapshot is not None


@pytest.mark.parametrize("pasted", [" made-up-key ", "\tmade-up-key"])
def test_key_is_taken_without_what_was_pasted_around_it(pasted: str, deploy_open: Deploy) -> None:
    """Blanks at the ends of a key are not part of it."""
    snapshot, refused = deploy_open(AMP_API_KEY=pasted, AMP_SECRET_KEY=pasted)
    assert not refused
    secrets = [each for each in snapshot["predictedResources"] if each["type"] == "Microsoft.KeyVault/vaults/secrets"]
    assert [secret["properties"]["value"] for secret in secrets] == ["made-up-key", "made-up-key"]


@pytest.mark.parametrize("variable", ["AMP_API_KEY", "AMP_SECRET_KEY", "EXPORT_ERASURE_KEY"])
@pytest.mark.parametrize("pasted", ["made up", '"made-up"', "'made-up'"])
def test_key_with_something_in_it_is_refused_unquoted(variable: str, pasted: str, deploy_open: Deploy) -> None:
    """A blank or a quote in a key is a mistake at pasting; the sentence does not repeat the key."""
    snapshot, refused = deploy_open(**{variable: pasted, "ERASURE": "true"})
    assert snapshot is None
    assert "a blank, a quote or a line end is in it" in refused
    assert "made" not in refused
