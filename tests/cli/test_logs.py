import io
import logging
import os
import re
import resource
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.cli.logs import LogFile, Redacted, log_to_console, log_to_file
from exporter.errors import SettingsError
from exporter.settings import Settings
from tests.cli.desk import Desk
from tests.kit import DAY

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _root() -> object:
    """The root logger as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def test_secrets_are_blanked_wherever_they_stand() -> None:
    """A secret that a foreign library logs reaches neither the line nor the traceback; times are UTC."""
    formatter = Redacted(("s3cret", ""))
    error = ValueError("refused s3cret")
    record = logging.makeLogRecord({"msg": "using s3cret", "exc_info": (ValueError, error, None)})
    record.created, record.msecs, record.levelname = 0.0, 12.0, "INFO"
    line = formatter.format(record)
    assert line.startswith("1970-01-01 00:00:00,012 - INFO - using ***\n")
    assert "refused ***" in line
    assert "s3cret" not in line


def test_logs_are_their_owners(tmp_path: Path) -> None:
    """The file 0600, the folder that is made for it 0700, whatever the umask; a folder that is there stays as it is."""
    before = os.umask(0)
    try:
        for folder, mode in ((tmp_path / "new", 0o700), (tmp_path / "there", 0o755)):
            if mode == 0o755:
                folder.mkdir(mode)
            path = log_to_file(Settings(log_dir=folder), NOW)
            assert path
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(folder.stat().st_mode) == mode
    finally:
        os.umask(before)


def test_no_folder_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty EXPORT_LOG_DIR writes none."""
    monkeypatch.chdir(tmp_path)
    assert log_to_file(Settings.from_mapping({"EXPORT_LOG_DIR": ""}, keys_needed=False), NOW) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("days", "kept"), [(90, {"89"}), (0, {"89", "90", "400"})])
def test_old_files_go(tmp_path: Path, days: int, kept: set[str]) -> None:
    """By the time in their names; other files stay, whatever their age, and 0 keeps all."""
    for age in (89, 90, 400):
        stamp = f"{NOW - timedelta(days=age, seconds=1):%Y%m%d_%H%M%S}"
        (tmp_path / f"log_{stamp}.log").write_text(str(age))
    others = ("log_20110101_000000.log.gz", "notes.log", "log_99999999_000000.log")
    for name in others:
        (tmp_path / name).write_text("mine")
    path = log_to_file(Settings(log_dir=tmp_path, log_days=days), NOW)
    assert path
    left = {one.read_text() for one in tmp_path.glob("log_*.log")} - {"", "mine"}
    assert left == kept
    assert all((tmp_path / name).exists() for name in others)


def test_a_file_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """With the setting's name."""
    (tmp_path / "a-file").write_text("")
    with pytest.raises(SettingsError, match=r"EXPORT_LOG_DIR: .*a-file/log_"):
        log_to_file(Settings(log_dir=tmp_path / "a-file"), NOW)


def test_a_full_log_disk_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The file ends, the run goes on, and no traceback is printed for each line."""
    console = io.StringIO()
    log_to_console(Settings(), logging.StreamHandler(console))
    path = log_to_file(Settings(log_dir=tmp_path), NOW)
    assert path
    (file,) = [one for one in logging.getLogger().handlers if isinstance(one, LogFile)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        for number in range(20):
            logging.getLogger("exporter").info(f"line {number} of a run that says a lot, {'x' * 40}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        file.close()
    said = console.getvalue()
    assert said.count("File too large. The run goes on, and its log file ends here") == 1
    assert "line 19" in said
    assert "Traceback" not in said + capfd.readouterr().err


def test_the_console_is_one(capfd: pytest.CaptureFixture[str]) -> None:
    """A command that calls another one does not say everything twice."""
    for _ in range(2):
        log_to_console(Settings(), logging.StreamHandler())
    logging.getLogger("exporter").warning("once")
    assert capfd.readouterr().err.count("once") == 1


def test_a_env_that_others_can_read_is_warned_of(desk: Desk) -> None:
    """It holds two keys; 0600 is silent."""
    written = desk.folder / ".env"
    written.write_text("EXPORT_LOG_LEVEL=WARNING\n")
    for mode, warned in ((0o644, True), (0o640, True), (0o600, False)):
        written.chmod(mode)
        said = desk.call("status")
        assert (".env can be read by others on this machine: chmod 600 .env" in said.err) == warned


def test_success_is_quiet_under_cron(desk: Desk) -> None:
    """Nothing on either stream, and the log file has it all."""
    said = desk.call("export", "--quiet", "--day", str(DAY))
    assert (said.code, said.out, said.err) == (0, "", "")
    assert re.search("INFO - day exported: day=2025-11-06", desk.logs())
