using './eraser.bicep'

// The outputs of the exporter's deployment, in the same variables as elsewhere.
param eraserId = readEnvironmentVariable('ERASER_ID')
param eraserKind = readEnvironmentVariable('ERASER_KIND', 'User')
param exportAccountName = readEnvironmentVariable('EXPORT_ACCOUNT')
param vaultName = readEnvironmentVariable('VAULT')
param appPrincipalId = readEnvironmentVariable('APP_PRINCIPAL_ID')
param exportContainer = readEnvironmentVariable('EXPORT_CONTAINER', 'amplitude')
param exportLedgerContainer = readEnvironmentVariable('EXPORT_LEDGER_CONTAINER', '${exportContainer}-ledger')
