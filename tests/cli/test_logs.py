import logging

from exporter.cli.logs import Redacted


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
