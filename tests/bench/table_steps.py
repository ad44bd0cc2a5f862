"""One step of the benchmark of tables, in a process of its own: `python -m tests.bench.table_steps STEP DUMP TABLE`."""

import json
import subprocess
import sys
import time
from pathlib import Path

from exporter.store.folder import LocalStore
from exporter.tables.duck import open_duckdb
from exporter.tables.reading import StoreFiles
from exporter.tables.write import write_table

FORMS = ("array", "lines", "table")
QUERIES = {
    "events of each type": (
        "SELECT event_type, count(*) FROM {} GROUP BY ALL ORDER BY ALL",
        {"event_type": "VARCHAR"},
    ),
    "people of each day": (
        "SELECT event_time::DATE, count(DISTINCT amplitude_id) FROM {} GROUP BY ALL ORDER BY ALL",
        {"event_time": "TIMESTAMP", "amplitude_id": "BIGINT"},
    ),
    "a property's sum": (
        "SELECT round(sum((event_properties ->> 'price')::DOUBLE), 2) FROM {}",
        {"event_properties": "JSON"},
    ),
    "length of sessions": (
        (
            "SELECT round(avg(s), 3) FROM (SELECT date_diff('second', min(event_time), max(event_time)) AS s FROM {} "
            "WHERE session_id <> -1 GROUP BY device_id, session_id)"
        ),
        {"event_time": "TIMESTAMP", "device_id": "VARCHAR", "session_id": "BIGINT"},
    ),
    "one person's events": (
        "SELECT event_time, event_type, city FROM {} WHERE user_id = 'user-00044@example.com' ORDER BY ALL LIMIT 9",
        {"event_time": "TIMESTAMP", "event_type": "VARCHAR", "city": "VARCHAR", "user_id": "VARCHAR"},
    ),
    "distinct uuids": ("SELECT count(DISTINCT uuid) FROM {}", {"uuid": "VARCHAR"}),
}


def ask(form: str, dump: Path, table: Path) -> None:
    """Ask the six queries; print their CPU seconds and answers."""
    lines = table.with_name("lines.jsonl")
    if form == "lines" and not lines.exists():
        with lines.open("wb") as file:
            subprocess.run(["sed", "1d;$d;s/,$//", dump], stdout=file, check=True)
    told = []
    with open_duckdb(None, None) as database:
        store = LocalStore(table.parent)
        database.register_filesystem(StoreFiles(store, {table.name: table.stat().st_size}))
        for name, (query, columns) in QUERIES.items():
            given = ", ".join(f"{column}: '{kind}'" for column, kind in columns.items())
            source = {
                "array": f"read_json('{dump}', format = 'array', columns = {{{given}}})",
                "lines": f"read_json('{lines}', format = 'newline_delimited', columns = {{{given}}})",
                "table": f"read_parquet('archive://{table.name}')",
            }[form]
            began = time.process_time()
            answer = database.execute(query.format(source)).fetchall()
            told.append({"name": name, "cpu": time.process_time() - began, "answer": str(answer)})
        database.unregister_filesystem("archive")
    sys.stdout.write(json.dumps(told))


def main() -> None:
    """Do the step."""
    step, dump, table = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if step != "write":
        ask(step, dump, table)
        return
    with table.open("wb") as file:
        write_table(LocalStore(dump.parent).stream(dump.name), file.write)


if __name__ == "__main__":
    main()
