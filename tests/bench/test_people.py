import io
from pathlib import Path

from rich.console import Console

from tests.bench.people import main


def test_the_benchmark_of_people_runs(tmp_path: Path) -> None:
    """A small day is erased of somebody, two others are searched, and the page has the figures."""
    said = io.StringIO()
    words = ["--size", "1", "--each", "1", "--days", "2", "--folder", str(tmp_path), "--docs", str(tmp_path)]
    main(words, Console(file=said))
    page = (tmp_path / "benchmarks-people.md").read_text()
    assert "| `erase`: one person in a day of 1 MB is found | " in page
    assert "Figures(size=1" in said.getvalue()
