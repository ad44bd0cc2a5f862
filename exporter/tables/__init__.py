"""Tables: Parquet derived from whole days, and SQL over the archive. Only here is DuckDB imported, when it is used."""
