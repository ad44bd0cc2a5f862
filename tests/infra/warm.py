"""The compiler kept running, for tests that ask it many times: a fifth of a second a question instead of two.

It speaks JSON-RPC on its standard streams (``bicep jsonrpc --stdio``), each message after a header with its length.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.infra import compiler

METADATA = {
    "tenantId": compiler.DEPLOYMENT["tenant-id"],
    "subscriptionId": compiler.DEPLOYMENT["subscription-id"],
    "resourceGroup": compiler.DEPLOYMENT["resource-group"],
    "location": compiler.DEPLOYMENT["location"],
    "deploymentName": compiler.DEPLOYMENT["deployment-name"],
}


class Compiler:
    """A compiler that runs until it is closed. Parameter files see ``environment`` and nothing else."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [compiler.program() or "bicep", "jsonrpc", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**compiler.kept_environment(), **environment},
        )

    def snapshot(self, parameters: Path) -> tuple[Any, str]:
        """What would be deployed, or None and why it is refused."""
        answer = self._ask("bicep/getSnapshot", {"path": str(parameters), "metadata": METADATA})
        if "error" in answer:
            asked = {"path": str(parameters), "parameterOverrides": {}}
            compiled = self._ask("bicep/compileParams", asked).get("result", {"diagnostics": []})
            lines = parameters.read_text(encoding="utf-8").splitlines()
            found = [f"{lines[each['range']['start']['line']]}: {_line(each)}" for each in compiled["diagnostics"]]
            return None, "\n".join([answer["error"]["message"], *found])
        return json.loads(answer["result"]["snapshot"]), ""

    def says(self, template: Path) -> str:
        """Every diagnostic of a template and its modules, a line each."""
        found = self._ask("bicep/compile", {"path": str(template)})["result"]["diagnostics"]
        return "\n".join(map(_line, found))

    def close(self) -> None:
        """End the compiler."""
        with self._process:
            self._process.kill()

    def _ask(self, method: str, parameters: Mapping[str, object]) -> Any:
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answered is not None
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        asked.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        asked.flush()
        length = 0
        while header := answered.readline().strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(answered.read(length))


def _line(diagnostic: Mapping[str, Any]) -> str:
    return f"{diagnostic['code']}: {diagnostic['message']}"
