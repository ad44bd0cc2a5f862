"""The commands of the documents, section by section: they are shell, and what they use is there, and set before."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from exporter.settings import SETTING_NAMES
from tests.infra.compiler import INFRA, ROOT

DOCUMENTS = ("README.md", "docs/operations.md", "docs/security.md", "docs/tables.md")
READ = r"readEnvironmentVariable\('(\w+)'(, '[^']*')?\)"
# Without these main.bicepparam is read, and main.bicep refuses.
ASKED_FOR = {"READERS", "ALERT_EMAILS"}
SHELL = re.compile(r"(?m)^(az|func|infra/|export |eval |[A-Z_]+=\S+ |[A-Z_]+=\$\(|printf )")


def _parameter_files() -> dict[str, dict[str, bool]]:
    """The variables that each parameter file reads, and whether it can do without."""
    files = sorted(INFRA.rglob("*.bicepparam"))
    return {
        str(file.relative_to(ROOT)): {
            name: bool(default) for name, default in re.findall(READ, file.read_text("utf-8"))
        }
        for file in files
    }


PARAMETER_FILES = _parameter_files()


def _known() -> set[str]:
    """Every variable that something reads: the parameter files, the app, and the scripts of infra/."""
    scripts = "".join(path.read_text(encoding="utf-8") for path in INFRA.glob("*.sh"))
    read = {name for names in PARAMETER_FILES.values() for name in names}
    return read | SETTING_NAMES | set(re.findall(r"\$\{?([A-Z_]{3,})\b", scripts))


def _blocks(document: str) -> Iterator[tuple[str, str]]:
    """Section and text of every block of commands that has to do with Azure; what a reader fills in is a word."""
    section = ""
    text = (ROOT / document).read_text(encoding="utf-8")
    for heading, block in re.findall(r"(?m)^(#{2,3} .+)$|^ *```\w*\n((?:(?! *```).*\n)*) *```$", text):
        section = heading.lstrip("# ") or section
        plain = re.sub(r"(?m)^ +", "", re.sub(r"<[^<>\n]+>", "FILLED_IN", block))
        if SHELL.search(plain) and document.startswith(("README", "docs/operations")):
            yield section, plain


BLOCKS = [(document, section, block) for document in DOCUMENTS for section, block in _blocks(document)]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("document", "section", "block"), BLOCKS)
def test_block_is_shell(document: str, section: str, block: str) -> None:
    """What is pasted is at least read to its end."""
    done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
    assert done.stderr == "", (document, section)


def test_blocks_were_found() -> None:
    """A change of the documents' form does not make these tests empty."""
    assert len(BLOCKS) >= 15
    sections = {section for _, section, _ in BLOCKS}
    assert {"First deployment", "Deploy again", "Erase a person", "Lock the ledger", "Tear down"} <= sections


def test_files_that_are_called_are_there() -> None:
    """And those that are commands can be run."""
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for name in re.findall(r"\binfra/[\w./-]*\w", text):
            path = ROOT / name
            assert path.exists(), (document, name)
            if path.suffix in {".sh", ".py"}:
                assert path.stat().st_mode & 0o111, name


def test_variable_is_set_in_its_section_before_it_is_used() -> None:
    """By the reader's own typing, or by what the last deployment was given."""
    checked = 0
    for document, section, block in BLOCKS:
        before = "".join(text for where, name, text in BLOCKS if (where, name) == (document, section))
        before = before[: before.index(block)]
        for found in re.finditer(r"\$\{?([A-Za-z_]\w*)|--parameters (infra/\S+)", block):
            told = before + block[: found.start()]
            set_here = set(re.findall(r"(?:^|[\s;(])([A-Za-z_]\w*)=|\bfor (\w+) in|read -rs (\w+)", told))
            names = {name for group in set_here for name in group}
            if "infra/parameters.py" in told:
                names |= set(PARAMETER_FILES["infra/main.bicepparam"])
            if found[1]:
                checked += 1
                assert found[1] in names, (section, found[0])
            else:
                optional = PARAMETER_FILES[found[2]]
                needed = {name for name, default in optional.items() if not default}
                needed |= ASKED_FOR & set(optional)
                checked += 1
                assert needed <= names, (section, found[0], needed - names)
    assert checked >= 10


@pytest.mark.parametrize("document", ["docs/operations.md", "docs/tables.md"])
def test_variable_that_a_document_names_is_read_by_something(document: str) -> None:
    """A misspelled one would be set, and do nothing."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = "".join(block for where, _, block in BLOCKS if where == document)
    named = set(re.findall(r"`([A-Z][A-Z_]{3,})=[^`]*`", text))
    for line in re.findall(r"export (.+)", blocks):
        named |= set(re.findall(r"\b([A-Z][A-Z_]{2,})=", line))
    used = set(re.findall(r"\$\{?([A-Z_]+)", blocks))
    assert named - _known() - used == set()


def test_every_parameter_of_the_templates_can_be_found_in_the_documents() -> None:
    """What can be set in a deployment and is no setting of the app is told somewhere."""
    text = "".join((ROOT / document).read_text(encoding="utf-8") for document in DOCUMENTS)
    own = {name for names in PARAMETER_FILES.values() for name in names} - SETTING_NAMES
    quiet = {"AZURE_ENV_NAME", "TAGS", "PYTHON_VERSION", "INSTANCE_MEMORY_MB", "LOG_RETENTION_DAYS", "LOG_DAILY_CAP_GB"}
    assert {name for name in own if not re.search(rf"\b{name}\b", text)} <= quiet | {"RETENTION_DAYS"}
