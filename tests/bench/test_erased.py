import io

from rich.console import Console

from tests.bench.erased import main


def test_the_benchmark_of_exports_without_erased_people_runs() -> None:
    """Each way with very few events; every event is counted once. No figure is judged here."""
    said = io.StringIO()
    main(["--size", "1", "--turns", "1"], Console(file=said, width=200))
    ways = said.getvalue().splitlines()
    assert [way.split(":")[0] for way in ways] == ["no erasure", "somebody else's", "one of 64 people's"]
    assert " 0 of " not in ways[2]
