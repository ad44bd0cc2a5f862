"""What is promised of every deployment of the exporter, held against what would be deployed."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from exporter.settings import SETTING_NAMES, Settings
from exporter.wiring import layout_of
from tests.infra.deployed import LEDGER, NARROW, Deployment, Role, below_group

COMMAND_LINE_ONLY = {
    "EXPORT_STORAGE_CONNECTION_STRING",
    "EXPORT_STORAGE_SUFFIX",
    "EXPORT_DATA_DIR",
    "EXPORT_LOG_DIR",
    "EXPORT_LOG_DAYS",
    "EXPORT_PING_URL",
}
# Every setting of the platform's, with what it is for. Another one has no meaning here.
PLATFORM_SETTINGS = {
    "AzureWebJobsStorage__accountName": "the host's storage, by identity",
    "AzureWebJobsStorage__blobServiceUri": "the same",
    "AzureWebJobsStorage__clientId": "the same",
    "AzureWebJobsStorage__credential": "the same",
    "AzureWebJobsStorage__queueServiceUri": "the same",
    "AzureWebJobsStorage__tableServiceUri": "the same",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "where telemetry goes",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "by which identity",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "no statistics for Microsoft",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "the worker sends it",
    "PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME": "of the exporter alone",
    "AZURE_CLIENT_ID": "the exporter's identity",
    "AZURE_TOKEN_CREDENTIALS": "no other kind of identity is tried",
}
STORAGE, VAULT = "Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"
SITE, RULE = "Microsoft.Web/sites", "Microsoft.Insights/scheduledQueryRules"
# Type of resource, path of the property, the value that is promised.
VALUES: list[tuple[str, str, object]] = [
    (STORAGE, "allowSharedKeyAccess", False),
    (STORAGE, "allowBlobPublicAccess", False),
    (STORAGE, "allowCrossTenantReplication", False),
    (STORAGE, "defaultToOAuthAuthentication", True),
    (STORAGE, "minimumTlsVersion", "TLS1_2"),
    (STORAGE, "supportsHttpsTrafficOnly", True),
    (f"{STORAGE}/blobServices/containers", "publicAccess", "None"),
    # Support of versions by the policy knows no protected appends.
    (f"{STORAGE}/blobServices/containers", "immutableStorageWithVersioning", None),
    (f"{STORAGE}/blobServices", "deleteRetentionPolicy.enabled", True),
    (f"{STORAGE}/blobServices", "containerDeleteRetentionPolicy.enabled", True),
    (VAULT, "enableRbacAuthorization", True),
    (VAULT, "enableSoftDelete", True),
    (SITE, "httpsOnly", True),
    (SITE, "siteConfig.minTlsVersion", "1.2"),
    (SITE, "siteConfig.scmMinTlsVersion", "1.2"),
    (SITE, "siteConfig.remoteDebuggingEnabled", False),
    (SITE, "functionAppConfig.deployment.storage.authentication.type", "UserAssignedIdentity"),
    (SITE, "functionAppConfig.runtime.name", "python"),
    (f"{SITE}/basicPublishingCredentialsPolicies", "allow", False),
    ("Microsoft.Insights/components", "DisableLocalAuth", True),
    ("Microsoft.OperationalInsights/workspaces", "features.disableLocalAuth", True),
    (RULE, "enabled", True),
    (RULE, "windowSize", "P1D"),
]
# Flex Consumption refuses everything else that siteConfig can have, or it has no meaning there (ARM 51021).
SITE_CONFIG = {"minTlsVersion", "scmMinTlsVersion", "http20Enabled", "remoteDebuggingEnabled"}
QUEUES = f"{STORAGE}/h/queueServices/queues"
DUMPS = f"{STORAGE}/x/blobServices/containers"
WATCHED = {f"{STORAGE}/h/blobServices", f"{STORAGE}/x/blobServices", VAULT}
HOST_ROLES = [
    Role("Storage Blob Data Owner", "ServicePrincipal", f"{STORAGE}/h"),
    Role("Storage Table Data Contributor", "ServicePrincipal", f"{STORAGE}/h"),
    Role("Storage Queue Data Contributor", "ServicePrincipal", f"{QUEUES}/export-days"),
    Role("Storage Queue Data Contributor", "ServicePrincipal", f"{QUEUES}/export-days-poison"),
    Role("Key Vault Secrets User", "ServicePrincipal", f"{VAULT}/secrets/AMP-API-KEY"),
    Role("Key Vault Secrets User", "ServicePrincipal", f"{VAULT}/secrets/AMP-SECRET-KEY"),
    Role("Monitoring Metrics Publisher", "ServicePrincipal", "Microsoft.Insights/components"),
]


def expected_roles(environment: Mapping[str, str], narrow: tuple[str, str]) -> list[Role]:
    """The whole list of roles that a deployment with this environment assigns; ``narrow`` are those roles' ids."""
    if environment.get("ASSIGN_ROLES") == "false":
        return []
    container = f"{DUMPS}/{environment.get('EXPORT_CONTAINER', 'amplitude')}"
    named = environment.get("EXPORT_LEDGER_CONTAINER")
    ledger = f"{DUMPS}/{named}" if named else f"{container}-ledger"
    wide = ("Storage Blob Data Contributor", "Storage Blob Data Contributor")
    writes, appends = narrow if environment.get("DUMPS_ROLE") == "narrow" else wide
    app = [Role(writes, "ServicePrincipal", container), Role(appends, "ServicePrincipal", ledger)]
    if environment.get("ERASURE") == "true":
        app.append(Role("Key Vault Secrets User", "ServicePrincipal", f"{VAULT}/secrets/ERASURE-KEY"))
    people = {reader.strip().lower() for reader in environment["READERS"].split(",")} - {"", "none"}
    readers = [
        Role("Storage Blob Data Reader", "User" if reader.startswith("user:") else "Group", place)
        for reader in people
        for place in (container, ledger)
    ]
    return sorted([*HOST_ROLES, *app, *readers])


def broken(
    deployment: Deployment, environment: Mapping[str, str], narrow: tuple[str, str] = (NARROW, LEDGER)
) -> list[str]:
    """Every promise that this deployment breaks, a sentence each."""
    expected = expected_roles(environment, narrow)
    actual = deployment.roles()
    return [
        *_values(deployment),
        *(f"missing role: {role}" for role in expected if actual.count(role) < expected.count(role)),
        *(f"role too many: {role}" for role in actual if actual.count(role) > expected.count(role)),
        *_settings(deployment, environment),
        *_ledger(deployment, environment),
        *_lifecycle(deployment),
        *_protection(deployment, environment),
        *_places(deployment, environment),
        *_alerts(deployment, environment),
    ]


def _values(deployment: Deployment) -> Iterator[str]:
    for kind, path, value in VALUES:
        resources = list(deployment.properties(kind))
        if not resources:
            yield f"no {kind}"
        for name, properties in resources:
            found: Any = properties
            for step in path.split("."):
                found = found.get(step) if isinstance(found, Mapping) else None
            if found != value:
                yield f"{name}: {path} is {found!r}, not {value!r}"
    for name, properties in deployment.properties(SITE):
        yield from (f"{name}: siteConfig.{key}" for key in set(properties["siteConfig"]) - SITE_CONFIG)
        if "keyVaultReferenceIdentity" not in properties:
            yield f"{name}: keyVaultReferenceIdentity is not set"


def _settings(deployment: Deployment, environment: Mapping[str, str]) -> Iterator[str]:
    settings = deployment.settings()
    expected = SETTING_NAMES - COMMAND_LINE_ONLY | set(PLATFORM_SETTINGS)
    yield from (f"setting {name} is missing" for name in sorted(expected - set(settings)))
    yield from (f"setting {name} has no meaning" for name in sorted(set(settings) - expected))
    secrets = {"AMP_API_KEY": "AMP-API-KEY", "AMP_SECRET_KEY": "AMP-SECRET-KEY"}
    if environment.get("ERASURE") == "true":
        secrets["EXPORT_ERASURE_KEY"] = "ERASURE-KEY"
    elif settings.get("EXPORT_ERASURE_KEY"):
        yield "setting EXPORT_ERASURE_KEY names a secret that is not there"
    for name, secret in secrets.items():
        if f"@Microsoft.KeyVault(SecretUri={{0}}secrets/{secret})" not in settings.get(name, ""):
            yield f"setting {name} is no reference into the vault"
    given = ("EXPORT_TABLES", ""), ("EXPORT_REPORT", ""), ("EXPORT_ERASE_FOLLOW", ""), ("EXPORT_ERASE_CONFIRM", "ask")
    for name, default in given:
        if settings.get(name) != environment.get(name, default):
            yield f"setting {name} is {settings.get(name)!r}"
    if settings.get("AzureWebJobsStorage__accountName") != deployment.outputs["hostAccountName"]:
        yield "setting AzureWebJobsStorage__accountName is not the host's account"
    for name in ("PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME", "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY"):
        if settings.get(name) not in ("exporter", "true"):
            yield f"setting {name} is {settings.get(name)!r}"


def _ledger(deployment: Deployment, environment: Mapping[str, str]) -> Iterator[str]:
    container = deployment.settings().get("EXPORT_LEDGER_CONTAINER", "")
    account = f"{deployment.outputs['exportAccountName']}/default"
    containers = {name for name, _ in deployment.properties(f"{STORAGE}/blobServices/containers")}
    if f"{account}/{container}" not in containers or container != deployment.outputs["ledgerContainer"]:
        yield f"the ledger's container is {container!r}, which is not there"
    # Whatever else a policy stands on can no longer be written.
    policies = dict(deployment.properties(f"{STORAGE}/blobServices/containers/immutabilityPolicies"))
    locked = environment.get("LEDGER_LOCKED") == "true"
    if set(policies) != (set() if locked else {f"{account}/{container}/default"}):
        yield f"policies: {sorted(policies)}"
    days = int(environment.get("LEDGER_RETENTION_DAYS", "365"))
    wanted = {"immutabilityPeriodSinceCreationInDays": days, "allowProtectedAppendWrites": True}
    yield from (f"the policy of {name} is {policy}" for name, policy in policies.items() if policy != wanted)
    to_lock = environment.get("PROTECT") == "true" and not locked
    if deployment.outputs["lockLedger"] != ("infra/lock-ledger.sh exporter" if to_lock else ""):
        yield f"left to do: {deployment.outputs['lockLedger']!r}"


def _lifecycle(deployment: Deployment) -> Iterator[str]:
    settings = deployment.settings()
    app = {name: value for name, value in settings.items() if name in SETTING_NAMES and "[" not in value}
    layout = layout_of(Settings.from_mapping(app, keys_needed=False))
    day = date(2025, 11, 6)
    dump, manifest = layout.dump(day), layout.manifest(day)
    names = {dump, manifest, layout.rejected(day), layout.failure(day), layout.lock(day), layout.table(day)}
    reached = {
        "dumps-grow-cold": {dump},
        "old-versions-go": names,
        "days-go": names - {layout.lock(day)},
    }
    for _, properties in deployment.properties(f"{STORAGE}/managementPolicies"):
        rules = {rule["name"]: rule["definition"]["filters"]["prefixMatch"] for rule in properties["policy"]["rules"]}
        for rule, expected in reached.items():
            starts = tuple(rules.get(rule, ["no such rule"]))
            found = {name for name in names if f"{settings['EXPORT_CONTAINER']}/{name}".startswith(starts)}
            if any(f"{settings['EXPORT_LEDGER_CONTAINER']}/{name}".startswith(starts) for name in names):
                yield f"lifecycle rule {rule} reaches the ledger"
            if found != expected:
                yield f"lifecycle rule {rule} reaches {sorted(found)}, not {sorted(expected)}"


def _protection(deployment: Deployment, environment: Mapping[str, str]) -> Iterator[str]:
    protect = environment.get("PROTECT") == "true"
    locks = sorted(name for name, _ in deployment.properties("Microsoft.Authorization/locks"))
    if locks != (["keep-the-dumps", "keep-the-keys"] if protect else []):
        yield f"locks: {locks}"
    for name, properties in deployment.properties(VAULT):
        if properties.get("enablePurgeProtection") != (True if protect else None):
            yield f"{name}: purge protection is {properties.get('enablePurgeProtection')}"
    purging = environment.get("PERMANENT_DELETE") == "true"
    for name, each in deployment.properties(f"{STORAGE}/blobServices"):
        if each["deleteRetentionPolicy"].get("allowPermanentDelete", False) != (
            purging and "isVersioningEnabled" in each
        ):
            yield f"{name}: what is soft-deleted can be purged, or cannot"
    versioned = [
        name for name, each in deployment.properties(f"{STORAGE}/blobServices") if "isVersioningEnabled" in each
    ]
    if versioned != [f"{deployment.outputs['exportAccountName']}/default"]:
        yield f"versions are kept in {versioned}"


def _places(deployment: Deployment, environment: Mapping[str, str]) -> Iterator[str]:
    outside = environment.get("LOCATION_OUTSIDE_EU", "").replace(" ", "").lower()
    region = outside or environment.get("AZURE_LOCATION", "germanywestcentral")
    for resource in deployment.resources:
        place = "global" if resource["type"] == "Microsoft.Insights/actionGroups" else region
        if resource.get("location", place) != place:
            yield f"{resource['name']} is in {resource['location']}"
        known = resource["type"] == "Microsoft.Authorization/roleAssignments"
        if re.search(r"reference\(|parameters\(", resource["id"]) and not known:
            yield f"what-if cannot name {resource['type']}"
    logs = deployment.all("Microsoft.Insights/diagnosticSettings")
    watched = {below_group(log["id"].partition("/providers/Microsoft.Insights/diag")[0]) for log in logs}
    if watched != {*WATCHED, f"{SITE}/{deployment.outputs['functionAppName']}"}:
        yield f"diagnostic logs of {sorted(watched)} only"


def _alerts(deployment: Deployment, environment: Mapping[str, str]) -> Iterator[str]:
    rules = list(deployment.properties(RULE))
    tables = environment.get("EXPORT_TABLES") or environment.get("EXPORT_REPORT")
    upkeep = bool(tables) or environment.get("EXPORT_SCRUB_DAYS") != "0"
    if len(rules) != 6 + upkeep + (environment.get("LEDGER_MAILS") != "false"):
        yield f"{len(rules)} alerts"
    group = deployment.all("Microsoft.Insights/actionGroups")[0]
    for name, properties in rules:
        yield from (f"{name} {problem}" for problem in _rule(properties, weekly=name.startswith("ledger-head-")))
        if properties["actions"]["actionGroups"] != [group["id"]]:
            yield f"{name} tells nobody"
    mails = {mail["emailAddress"] for mail in group["properties"]["emailReceivers"]}
    wanted = {mail.strip().lower() for mail in environment["ALERT_EMAILS"].split(",")} - {"", "none"}
    if mails != wanted:
        yield f"alerts go to {sorted(mails)}"


def _rule(properties: Mapping[str, Any], *, weekly: bool) -> Iterator[str]:
    """The ``weekly`` mail of the ledger is no alert: it comes once, is not taken back, and shows the line itself."""
    if properties["autoMitigate"] == weekly:
        yield f"is taken back: {properties['autoMitigate']}"
    if (properties["severity"] == 4) != weekly:
        yield f"has severity {properties['severity']}"
    if properties["evaluationFrequency"] not in (("P1D",) if weekly else ("PT15M", "PT1H")):
        yield f"is evaluated every {properties['evaluationFrequency']}"
    if properties.get("overrideQueryTimeRange", "P1D") not in ("P1D", "P2D"):
        yield f"looks at {properties['overrideQueryTimeRange']}, more than Azure Monitor allows"
    for criterion in properties["criteria"]["allOf"]:
        if criterion["operator"] != "GreaterThan":
            yield f"fires by {criterion['operator']}"
        # A mail has no room for the rows that were found; it shows the values of dimensions.
        shown = [(each["name"], each["values"]) for each in criterion.get("dimensions", [])]
        if shown != ([("Ledger", ["*"])] if weekly else []):
            yield f"shows {shown}"
