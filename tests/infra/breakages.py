"""Ways to break the templates, each with the words by which it is caught."""

from dataclasses import dataclass

APP, ALERTS, ROLES = "modules/app.bicep", "modules/alerts.bicep", "modules/roles.bicep"
DUMPS, HOST = "modules/export-storage.bicep", "modules/host-storage.bicep"
VAULT, MONITORING, LIFECYCLE = "modules/vault.bicep", "modules/monitoring.bicep", "modules/lifecycle.bicep"


@dataclass(frozen=True)
class Breakage:
    """``old`` in ``file`` becomes ``new``; the check then says ``caught``, of the deployment ``snapshot``."""

    name: str
    file: str
    old: str
    new: str
    caught: str
    snapshot: str = "default"


# What compiles, or at most warns, and would be deployed otherwise than promised. Caught in what would be deployed.
DEPLOYED = [
    Breakage("misspelled property", DUMPS, "allowBlobPublicAccess:", "allowBlobPublicAcces:", "allowBlobPublicAcces"),
    Breakage("shared keys", DUMPS, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "allowSharedKeyAccess"),
    Breakage("host's shared keys", HOST, "SharedKeyAccess: false", "SharedKeyAccess: true", "allowSharedKeyAccess"),
    Breakage("public blobs", DUMPS, "publicAccess: 'None'", "publicAccess: 'Blob'", "publicAccess is 'Blob'"),
    Breakage("public account", HOST, "BlobPublicAccess: false", "BlobPublicAccess: true", "allowBlobPublicAccess is"),
    Breakage("old TLS", DUMPS, "'TLS1_2'", "'TLS1_0'", "minimumTlsVersion is 'TLS1_0'"),
    Breakage(
        "old TLS in the app", APP, "    minTlsVersion: '1.2'", "    minTlsVersion: '1.0'", "minTlsVersion is '1.0'"
    ),
    Breakage("plain http", APP, "httpsOnly: true", "httpsOnly: false", "httpsOnly is False"),
    Breakage(
        "nothing brought back", DUMPS, "enabled: true\n      days", "enabled: false\n      days", "enabled is False"
    ),
    Breakage("no versions", DUMPS, "    isVersioningEnabled: true\n", "", "versions are kept in []"),
    Breakage("deployment password", APP, "allow: false", "allow: true", "allow is True"),
    Breakage("refused by the plan", APP, "http20Enabled: true", "alwaysOn: true", "siteConfig.alwaysOn"),
    Breakage(
        "vault identity not set", APP, "    keyVaultReferenceIdentity: identityId\n", "", "ReferenceIdentity is not"
    ),
    Breakage("setting forgotten", APP, "    EXPORT_PREFIX: prefix\n", "", "setting EXPORT_PREFIX is missing"),
    Breakage("setting without meaning", APP, "EXPORT_PREFIX:", "EXPORT_PREFX:", "setting EXPORT_PREFX has no meaning"),
    Breakage("host storage by key", APP, "Storage__credential:", "Storage:", "AzureWebJobsStorage has no meaning"),
    Breakage(
        "host's account not named", APP, "    AzureWebJobsStorage__accountName: hostAccountName\n", "", "accountName is"
    ),
    Breakage(
        "key outside the vault", APP, "secrets/AMP-API-KEY)'", "keys/AMP-API-KEY)'", "AMP_API_KEY is no reference"
    ),
    Breakage("root logger", APP, "LOGGER_NAME: 'exporter'", "LOGGER_NAME: ''", "LOGGER_NAME is ''"),
    Breakage(
        "role for the whole account",
        ROLES,
        "scope: dumps\n",
        "scope: exportAccount\n",
        "role too many: Role(name='Storage Blob Data C",
    ),
    Breakage(
        "role for the whole vault", ROLES, "scope: apiKey\n", "scope: vault\n", "scope='Microsoft.KeyVault/vaults')"
    ),
    Breakage("role for the whole group", ROLES, "  scope: secretKey\n", "", "scope='the group')"),
    Breakage(
        "another role",
        ROLES,
        "'4633458b-17de-408a-b874-0445c86b69e6'",
        "'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'",
        "role too many: Role(name='b86a8fe4",
    ),
    Breakage("role missing", ROLES, "scope: exportDaysPoison\n", "scope: exportDays\n", "missing role"),
    Breakage("wrong kind of principal", "modules/readers.bicep", "reader.kind", "'ServicePrincipal'", "missing role"),
    Breakage(
        "dumps' prefix",
        LIFECYCLE,
        "'${root}20'\n              ]",
        "'${root}19'\n              ]",
        "rule dumps-grow-cold reaches []",
    ),
    Breakage(
        "manifests grow cold",
        LIFECYCLE,
        "'${root}20'\n              ]",
        "root\n              ]",
        "rule dumps-grow-cold reaches",
    ),
    Breakage("prefix forgotten", LIFECYCLE, "'${container}/${prefix}'", "'${container}/'", "reaches []", "everything"),
    Breakage(
        "records stay", LIFECYCLE, "                '${root}rejected/'\n", "", "rule days-go reaches", "everything"
    ),
    Breakage("tables stay", LIFECYCLE, "                '${root}parquet/'\n", "", "rule days-go reaches", "everything"),
    Breakage(
        "ledger among the old versions that go",
        LIFECYCLE,
        "                root\n",
        "                '${container}'\n",
        "rule old-versions-go reaches the ledger",
    ),
    Breakage(
        "ledger without a policy",
        DUMPS,
        "= if (!ledgerLocked) {",
        "= if (ledgerLocked) {",
        "policies: []",
    ),
    Breakage("locked policy written", DUMPS, "= if (!ledgerLocked) {", "= {", "policies: ['", "us"),
    Breakage("ledger that cannot grow", DUMPS, "AppendWrites: true", "AppendWrites: false", "the policy of ampexportx"),
    Breakage("more than appends", DUMPS, "ProtectedAppendWrites:", "ProtectedAppendWritesAll:", "the policy of ampexp"),
    Breakage("policy of a day", DUMPS, "InDays: ledgerRetentionDays", "InDays: 1", "the policy of", "everything"),
    Breakage("policy on the dumps", DUMPS, "parent: ledger\n", "parent: dumps\n", "policies: ['ampexportx"),
    Breakage(
        "policy by versions",
        DUMPS,
        "publicAccess: 'None'",
        "publicAccess: 'None'\n    immutableStorageWithVersioning: {\n      enabled: true\n    }",
        "immutableStorageWithVersioning is {'enabled': True}",
    ),
    Breakage(
        "ledger's name not taken",
        "main.bicep",
        "    ledgerContainer: exportLedgerContainer\n    ledgerRetentionDays",
        "    ledgerContainer: 'amplitude-ledger'\n    ledgerRetentionDays",
        "the ledger's container is 'web-ledger', which is not there",
        "least",
    ),
    Breakage(
        "nobody told to lock", "main.bicep", "protect && !ledgerLocked", "ledgerLocked", "left to do", "everything"
    ),
    Breakage("role on the ledger forgotten", ROLES, "scope: ledger\n", "scope: dumps\n", "missing role"),
    Breakage(
        "wide role on the ledger",
        ROLES,
        "guid(resourceGroup().id, 'ledger-role') : blobDataContributor",
        "guid(resourceGroup().id, 'dumps-role') : blobDataContributor",
        "missing role",
        "everything",
    ),
    Breakage("ledger without its readers", "modules/readers.bicep", "scope: ledger", "scope: dumps", "missing role"),
    Breakage(
        "purging for all", DUMPS, "PermanentDelete: permanentDelete", "PermanentDelete: true", "can be purged, or"
    ),
    Breakage(
        "purging for none", DUMPS, "PermanentDelete: permanentDelete", "PermanentDelete: false", "can", "everything"
    ),
    Breakage(
        "tables forgotten", APP, "EXPORT_TABLES: tables", "EXPORT_TABLES: ''", "EXPORT_TABLES is ''", "everything"
    ),
    Breakage("report always", APP, "EXPORT_REPORT: report", "EXPORT_REPORT: 'on'", "EXPORT_REPORT is 'on'"),
    Breakage("erased unasked", APP, "CONFIRM: eraseConfirm", "CONFIRM: 'auto'", "EXPORT_ERASE_CONFIRM is 'auto'"),
    Breakage("reference to nothing", APP, "erasure ? '@M", "!erasure ? '@M", "names a secret that is not there"),
    Breakage(
        "key of erasures as text",
        APP,
        "secrets/ERASURE-KEY)'",
        "secrets/ERASURE)'",
        "_KEY is no reference",
        "everything",
    ),
    Breakage("key of erasures unread", ROLES, "if (erasure)", "if (!erasure)", "missing role", "everything"),
    Breakage("mail of the head taken back", ALERTS, "autoMitigate: false", "autoMitigate: true", "is taken back: True"),
    Breakage("head not shown", ALERTS, "name: 'Ledger'", "name: 'Day'", "shows [('Day', ['*'])]"),
    Breakage("head every hour", ALERTS, "'P1D'\n    windowSize", "'PT1H'\n    windowSize", "is evaluated every PT1H"),
    Breakage("mails against the wish", ALERTS, "= if (ledgerMails) {", "= {", "8 alerts", "us"),
    Breakage("upkeep's alert for nothing", ALERTS, "= if (upkeep) {", "= {", "8 alerts", "least"),
    Breakage("upkeep's alert missing", ALERTS, "= if (upkeep) {", "= if (!upkeep) {", "7 alerts"),
    Breakage("lock always", DUMPS, "= if (protect) {", "= {", "locks: ['keep-the-dumps']"),
    Breakage("lock never", VAULT, "= if (protect) {", "= if (!protect) {", "locks: ['keep-the-dumps']", "everything"),
    Breakage("purge protection", VAULT, "protect ? true : null", "true", "purge protection is True"),
    Breakage("another region", MONITORING, "location: location", "location: 'eastus'", "is in eastus"),
    Breakage(
        "telemetry by key", MONITORING, "DisableLocalAuth: true", "DisableLocalAuth: false", "DisableLocalAuth is"
    ),
    Breakage("wrong window", ALERTS, "windowSize: 'P1D'", "windowSize: 'PT26H'", "windowSize is 'PT26H'"),
    Breakage("window too long", ALERTS, "TimeRange: 'P2D'", "TimeRange: 'P7D'", "looks at P7D"),
    Breakage("operator that is none", ALERTS, "'GreaterThan'", "'MoreThan'", "fires by MoreThan"),
    Breakage("alert tells nobody", ALERTS, "        people.id\n", "", "tells nobody"),
    Breakage(
        "alert switched off",
        ALERTS,
        "severity: 1\n    enabled: true",
        "severity: 1\n    enabled: false",
        "enabled is False",
    ),
    Breakage("mails not taken", "main.bicep", "alertEmails: mailList", "alertEmails: []", "alerts go to []"),
    Breakage(
        "no audit", VAULT, "  scope: vault\n  name: 'to-workspace'", "  name: 'to-workspace'", "diagnostic logs of"
    ),
    Breakage(
        "names hang on a secret",
        "main.bicep",
        "uniqueString(resourceGroup().id)",
        "uniqueString(resourceGroup().id, ampApiKey)",
        "what-if cannot name Microsoft.Web/sites",
    ),
]

# What does not compile, or makes the linter speak.
COMPILED = [
    Breakage("number as text", ALERTS, "severity: 1", "severity: 'high'", "BCP036"),
    Breakage("misspelled property", HOST, "allowSharedKeyAccess:", "allowSharedKeyAcces:", "BCP089"),
    Breakage(
        "secret in an output", VAULT, "string = vault.name", "string = ampApiKey", "outputs-should-not-contain-secrets"
    ),
    Breakage("secret not secure", VAULT, "@secure()\n", "", "secure-secrets-in-params"),
    Breakage("old API version", ALERTS, "@2026-03-01", "@2023-12-01", "use-recent-api-versions"),
    Breakage("array of anything", ALERTS, "alertEmails string[]", "alertEmails array", "use-user-defined-types"),
    Breakage(
        "name of a module",
        "main.bicep",
        "module lifecycle 'modules/lifecycle.bicep' = {",
        "module lifecycle 'modules/lifecycle.bicep' = {\n  name: 'x'",
        "no-module-name",
    ),
    Breakage(
        "name from an output",
        "main.bicep",
        "vaultName: keyVaultName",
        "vaultName: vault.outputs.name",
        "what-if-short-circuiting",
    ),
]

# What the check of names and types finds, without the compiler.
TYPES = [
    Breakage("syntax error", APP, "var storageSuffix =", "var storageSuffix", "SYN"),
    Breakage("wrong property", APP, "httpsOnly: true", "httpOnly: true", "unknown property 'httpOnly'"),
    Breakage("API version that is none", APP, "sites@2025-03-01", "sites@2025-03-02", "no API version"),
    Breakage("misspelt resource type", APP, "serverfarms@", "serverfarm@", "unknown resource type"),
    Breakage("name not declared", APP, "serverFarmId: plan.id", "serverFarmId: plam.id", "'plam' is not declared"),
    Breakage("unknown function", APP, "string(tmpLimitMb)", "strng(tmpLimitMb)", "unknown function 'strng'"),
    Breakage("lock of a wrong level", DUMPS, "'CanNotDelete'", "'Strict'", "'Strict' is not one of"),
    Breakage("no such tier", LIFECYCLE, "tierToCold", "tierToFrozen", "unknown property 'tierToFrozen'"),
    Breakage("secret in an output", VAULT, "string = vault.name", "string = ampApiKey", "gives away a secret"),
    Breakage("parameter that is none", "main.bicep", "    pythonVersion: py", "    pythonVer: py", "no parameter"),
    Breakage("parameter not passed", "main.bicep", "    volumeFactor: volumeFactor\n", "", "needs parameter"),
    Breakage("output that is none", "main.bicep", "outputs.workspaceId", "outputs.workspace", "no output 'workspace'"),
    Breakage("module that is none", "main.bicep", "modules/vault.bicep", "modules/safe.bicep", "does not exist"),
    Breakage("region outside the list", "main.bicep", "= 'germanywestcentral'", "= 'eastus'", "is not one of"),
    Breakage("name too long", "main.bicep", "= 'ampexport'", "= 'amplitudeexport'", "length 15 is out of range"),
    Breakage("cycle", HOST, "  name: name\n", "  name: packages.name\n", "cycle"),
    Breakage(
        "key in the parameter file", "main.bicepparam", "readEnvironmentVariable('AMP_API_KEY', '')", "'k'", "literal"
    ),
    Breakage("parameter file's misspelling", "main.bicepparam", "param protect", "param protekt", "no parameter"),
]

QUERIES = [
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
