#!/usr/bin/env bash
# Writes what is deployed into a ZIP, from the last commit: for `az functionapp deployment source config-zip`.
#
#   infra/package.sh FILE.zip
#
# With EXPORT_TABLES or EXPORT_REPORT in the environment, as the templates read them, DuckDB is asked for, too: Azure
# installs requirements.txt and no other file, so it gets a line that names the other. Needs bash, git and Python 3.
set -euo pipefail

target=${1:-}
[[ $target == *.zip && $# == 1 ]] || { sed -nE '2,7s/^# ?//p' "$0" >&2; exit 2; }
target=$(cd "$(dirname "$target")" && pwd)/$(basename "$target")
cd "$(dirname "$0")/.."
git archive --format zip --output "$target" HEAD function_app.py host.json requirements.txt requirements-tables.txt exporter \
  ':(exclude)exporter/simulator' ':(exclude)exporter/cli' ':(exclude)exporter/__main__.py'
[[ ${EXPORT_TABLES:-}${EXPORT_REPORT:-} ]] || exit 0
# A ZIP with a name twice is read in two ways: it is written anew.
python3 - "$target" <<'END'
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as archive:
    members = [(item, archive.read(item)) for item in archive.infolist()]
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
    for item, content in members:
        more = b"\n-r requirements-tables.txt\n" if item.filename == "requirements.txt" else b""
        archive.writestr(item, content + more)
END
