"""Breaks the templates on purpose, one way a test: a check that misses a breakage is no check."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.infra import check

APP, ALERTS, ROLES = "modules/app.bicep", "modules/alerts.bicep", "modules/roles.bicep"
DUMPS, VAULT, MONITORING = "modules/export-storage.bicep", "modules/vault.bicep", "modules/monitoring.bicep"


@dataclass(frozen=True)
class Breakage:
    """``old`` in ``file`` becomes ``new``; the check then says ``caught``."""

    name: str
    file: str
    old: str
    new: str
    caught: str


BREAKAGES = [
    Breakage("syntax error", APP, "var storageSuffix =", "var storageSuffix", "SYN"),
    Breakage("wrong property", APP, "httpsOnly: true", "httpOnly: true", "unknown property 'httpOnly'"),
    Breakage("plain http", APP, "httpsOnly: true", "httpsOnly: false", "properties.httpsOnly is false"),
    Breakage("old TLS in the app", APP, "    minTlsVersion: '1.2'", "    minTlsVersion: '1.0'", "minTlsVersion"),
    Breakage("refused by the plan", APP, "http20Enabled: true", "alwaysOn: true", "refuses siteConfig.alwaysOn"),
    Breakage("host storage by key", APP, "AzureWebJobsStorage__credential:", "AzureWebJobsStorage:", "app setting"),
    Breakage(
        "worker runtime as a setting", APP, "AZURE_TOKEN_CREDENTIALS:", "FUNCTIONS_WORKER_RUNTIME:", "app setting"
    ),
    Breakage(
        "key outside the vault",
        APP,
        "'@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/AMP-API-KEY)'",
        "'${vaultUri}'",
        "'AMP_API_KEY' must be a Key Vault reference",
    ),
    Breakage(
        "vault identity not set", APP, "    keyVaultReferenceIdentity: identityId\n", "", "keyVaultReferenceIdentity"
    ),
    Breakage("deployment password on", APP, "allow: false", "allow: true", "properties.allow is true"),
    Breakage("API version that is none", APP, "sites@2025-03-01", "sites@2025-03-02", "no API version"),
    Breakage("misspelt resource type", APP, "serverfarms@", "serverfarm@", "unknown resource type"),
    Breakage("name not declared", APP, "serverFarmId: plan.id", "serverFarmId: plam.id", "'plam' is not declared"),
    Breakage("unknown function", APP, "string(tmpLimitMb)", "strng(tmpLimitMb)", "unknown function 'strng'"),
    Breakage(
        "storage keys on", DUMPS, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "allowSharedKeyAccess"
    ),
    Breakage("public blobs", DUMPS, "publicAccess: 'None'", "publicAccess: 'Blob'", "publicAccess"),
    Breakage("old TLS in storage", DUMPS, "'TLS1_2'", "'TLS1_0'", "minimumTlsVersion"),
    Breakage("nothing brought back", DUMPS, "enabled: true\n      days", "enabled: false\n      days", "enabled"),
    Breakage("lock of a wrong level", DUMPS, "'CanNotDelete'", "'Strict'", "'Strict' is not one of"),
    Breakage(
        "no such tier", "modules/lifecycle.bicep", "tierToCold", "tierToFrozen", "unknown property 'tierToFrozen'"
    ),
    Breakage("vault by access policies", VAULT, "enableRbacAuthorization: true", "enableSoftDelete: true", "RbacAuth"),
    Breakage("secret in an output", VAULT, "string = vault.name", "string = ampApiKey", "gives away a secret"),
    Breakage("secret not secure", VAULT, "@secure()\n", "", "is not @secure()"),
    Breakage("telemetry by key", MONITORING, "DisableLocalAuth: true", "DisableLocalAuth: false", "DisableLocalAuth"),
    Breakage("role for the whole account", ROLES, "scope: dumps\n", "scope: exportAccount\n", "Blob Data Contributor"),
    Breakage("role for the whole group", ROLES, "  scope: vault\n", "", "holds for the whole resource group"),
    Breakage(
        "role missing", ROLES, ", secretsUser)\n  }", ", metricsPublisher)\n  }", "no role assignment of 'Key Vault"
    ),
    Breakage("unknown role", ROLES, "'4633458b-17de", "'4633458b-17df", "unknown role id"),
    Breakage("kind of principal not said", ROLES, "    principalType: 'ServicePrincipal'\n", "", "set principalType"),
    Breakage("wrong window", ALERTS, "windowSize: 'P1D'", "windowSize: 'PT26H'", "no window that Azure Monitor takes"),
    Breakage("number as text", ALERTS, "severity: 1", "severity: 'high'", "expected int, got string"),
    Breakage("operator that is none", ALERTS, "'GreaterThan'", "'MoreThan'", "'MoreThan' is not one of"),
    Breakage("parameter that is none", "main.bicep", "    pythonVersion: py", "    pythonVer: py", "no parameter"),
    Breakage("parameter not passed", "main.bicep", "    volumeFactor: volumeFactor\n", "", "needs parameter"),
    Breakage("output that is none", "main.bicep", "outputs.workspaceId", "outputs.workspace", "no output 'workspace'"),
    Breakage("module that is none", "main.bicep", "modules/vault.bicep", "modules/safe.bicep", "does not exist"),
    Breakage("region outside the list", "main.bicep", "= 'germanywestcentral'", "= 'eastus'", "is not one of"),
    Breakage("name too long", "main.bicep", "= 'ampexport'", "= 'amplitudeexport'", "length 15 is out of range"),
    Breakage("cycle", "modules/host-storage.bicep", "  name: name\n", "  name: packages.name\n", "cycle"),
    Breakage(
        "key in the parameter file", "main.bicepparam", "readEnvironmentVariable('AMP_API_KEY', '')", "'k'", "literal"
    ),
    Breakage("parameter file's misspelling", "main.bicepparam", "param protect", "param protekt", "no parameter"),
]

QUERY_BREAKAGES = [
    Breakage("table's old name", ALERTS, "let Exported = AppTraces", "let Exported = traces", "traces"),
    Breakage("column's old name", ALERTS, "where Message startswith", "where message startswith", "message"),
    Breakage("column gone in between", ALERTS, "Failures >= 3", "Failed >= 3", "Failed"),
    Breakage(
        "workbook's query",
        "modules/workbook.json",
        "| order by Day",
        "| sorted by Day",
        "workbook.bicep: Query operator expected",
    ),
]


def _broken(breakage: Breakage, tree: Path) -> Path:
    shutil.copytree(check.INFRA, tree)
    file = tree / breakage.file
    text = file.read_text(encoding="utf-8")
    assert breakage.old in text, "the breakage no longer fits the template"
    file.write_text(text.replace(breakage.old, breakage.new), encoding="utf-8")
    return tree


def _caught(run: Callable[[Path], check.Outcome], breakage: Breakage, tree: Path) -> None:
    outcome = run(_broken(breakage, tree))
    if outcome.clean is None:
        pytest.skip(outcome.text)
    assert not outcome.clean
    assert breakage.caught in outcome.text


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_broken_template_is_caught(breakage: Breakage, tmp_path: Path) -> None:
    """The template check names what is wrong."""
    _caught(check.bicep, breakage, tmp_path / "infra")


@pytest.mark.parametrize("breakage", QUERY_BREAKAGES, ids=lambda breakage: breakage.name)
def test_broken_query_is_caught(breakage: Breakage, tmp_path: Path) -> None:
    """The query check names what is wrong."""
    _caught(check.queries, breakage, tmp_path / "infra")


def test_what_checkov_finds_is_caught(tmp_path: Path) -> None:
    """A failure that is not on the list of accepted ones is a finding, with its rule and its resource."""
    caught = "CKV_AZURE_3 fails for export-storage.bicep"
    breakage = Breakage("plain http", DUMPS, "TrafficOnly: true", "TrafficOnly: false", caught)
    _caught(check.checkov, breakage, tmp_path / "infra")
