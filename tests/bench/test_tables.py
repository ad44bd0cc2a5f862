import io
from pathlib import Path

from rich.console import Console

from tests.bench.table_steps import QUERIES
from tests.bench.tables import main


def test_the_benchmark_of_tables_runs_and_its_answers_agree(tmp_path: Path) -> None:
    """A day of 1 MB becomes a table, six queries are asked three ways, and the page has their figures."""
    said = io.StringIO()
    words = ["--sizes", "1", "--runs", "1", "--folder", str(tmp_path), "--docs", str(tmp_path)]
    main(words, Console(file=said))  # how much cheaper they are is no matter of 1 MB
    page = (tmp_path / "benchmarks-tables.md").read_text()
    assert all(f"| 1 | {name} | " in page for name in QUERIES)
    assert "queries from" in said.getvalue()
