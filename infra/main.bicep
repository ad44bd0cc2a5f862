// Everything between an empty resource group and a nightly export. Deployed with main.bicepparam:
//   az deployment group create --resource-group GROUP --parameters infra/main.bicepparam
// docs/operations.md tells how; docs/security.md tells who may do what, and why.
targetScope = 'resourceGroup'

@description('Region of everything. The list is the EU; see locationOutsideEu.')
@allowed([
  'austriaeast'
  'belgiumcentral'
  'denmarkeast'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'northeurope'
  'polandcentral'
  'spaincentral'
  'swedencentral'
  'westeurope'
])
param location string = 'germanywestcentral'

@description('Overrides location with a region outside the EU. Events hold personal data: ask whoever answers for them first.')
param locationOutsideEu string = ''

@description('Start of every resource name; lower-case letters and digits.')
@minLength(3)
@maxLength(9)
param name string = 'ampexport'

@description('The environment name of azd, which finds its resources by it. Leave empty without azd.')
param environmentName string = ''

@description('Tags put on everything, besides those that azd needs.')
param tags object = {}

@description('The Amplitude project\'s API key. Empty leaves the vault\'s secret as it is.')
@secure()
param ampApiKey string = ''

@description('The Amplitude project\'s secret key. Empty leaves the vault\'s secret as it is.')
@secure()
param ampSecretKey string = ''

@description('AMP_BASE_URL: where the Amplitude project lives. https://amplitude.com for a US project.')
param ampBaseUrl string = 'https://analytics.eu.amplitude.com'

@description('EXPORT_CONTAINER: the container of the dumps.')
@minLength(3)
@maxLength(63)
param exportContainer string = 'amplitude'

@description('EXPORT_PREFIX: goes before every name, for example web/. Keeps several Amplitude projects apart.')
param exportPrefix string = ''

@description('EXPORT_DATA_OUTFILE: the last part of a dump\'s name.')
param exportDataOutfile string = 'ampl_dump'

@description('EXPORT_SCHEDULE: when the nightly run starts; six fields, UTC. Not before 02:00: hour 23 cannot be exported earlier. Not after 05:00: the alert looks at 06:00.')
param exportSchedule string = '0 0 2 * * *'

@description('EXPORT_TMP_LIMIT_MB: bound of all working files on the instance\'s small temp disk.')
@minValue(64)
param exportTmpLimitMb int = 400

@description('EXPORT_MAX_ATTEMPTS: requests for one window at most.')
@minValue(1)
@maxValue(5)
param exportMaxAttempts int = 5

@description('EXPORT_DELAY_SECONDS: the first wait after a 5xx; text, because Bicep knows no fractions.')
param exportDelaySeconds string = '1'

@description('EXPORT_SETTLE_HOURS: hours after a day\'s end from which an export of it is final.')
@minValue(0)
@maxValue(168)
param exportSettleHours int = 12

@description('EXPORT_LOOKBACK_DAYS: days before yesterday that the nightly run repairs, too.')
@minValue(1)
@maxValue(365)
param exportLookbackDays int = 7

@description('EXPORT_MAX_REJECTED_PERCENT: more than this and more than 10 lines rejected: the day fails; text, as above.')
param exportMaxRejectedPercent string = '1'

@description('EXPORT_CONCURRENCY: chains that a backfill makes. Amplitude allows 5 requests at once, dashboards included.')
@minValue(1)
@maxValue(4)
param exportConcurrency int = 2

@description('EXPORT_LOG_LEVEL. Above INFO the alerts are blind: the lines that they look for are INFO lines.')
@allowed([
  'DEBUG'
  'INFO'
])
param exportLogLevel string = 'INFO'

@description('Python of the function app.')
@allowed([
  '3.12'
  '3.13'
])
param pythonVersion string = '3.13'

@description('Memory of one instance in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMb int = 2048

@description('How the dumps are kept. LRS: one building; ZRS: three; GRS and GZRS: a second region too (of Germany West Central: Germany North).')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param exportRedundancy string = 'Standard_ZRS'

@description('Days after which a day is deleted, counted from when it was last written. 0: never.')
@minValue(0)
param retentionDays int = 0

@description('Days for which an overwritten or deleted blob can be brought back.')
@minValue(7)
@maxValue(365)
param restoreDays int = 30

@description('Object ids of the Entra groups that may read the dumps. With keys off, nobody else can, not even whoever deploys.')
param readers array = []

@description('False if you may not assign roles here: output missingRoles then lists the commands for an administrator.')
param assignRoles bool = true

@description('True for production: locks on the dumps and the vault, purge protection on the vault (which can never be turned off again).')
param protect bool = false

@description('E-mail addresses that alerts go to. Empty: alerts show in the portal only.')
param alertEmails array = []

@description('Alert when yesterday has this many times more, or fewer, events than the days before.')
@minValue(2)
param volumeFactor int = 5

@description('Days that logs are kept. Up to 31 are free; traces are kept 90 days at no charge in any case.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Logs taken in per day at most, in GB. A normal day is a few MB; above the cap the alerts are blind until the next day.')
@minValue(1)
param logDailyCapGb int = 1

var region = empty(locationOutsideEu) ? location : locationOutsideEu
var suffix = uniqueString(resourceGroup().id)
var appName = '${name}-${suffix}'
var azdTags = empty(environmentName) ? {} : { 'azd-env-name': environmentName }
var allTags = union(tags, azdTags)

module identity 'modules/identity.bicep' = {
  name: 'identity'
  params: {
    location: region
    name: 'id-${appName}'
    tags: allTags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    location: region
    name: appName
    tags: allTags
    logRetentionDays: logRetentionDays
    logDailyCapGb: logDailyCapGb
  }
}

module hostStorage 'modules/host-storage.bicep' = {
  name: 'host-storage'
  params: {
    location: region
    name: take('${name}h${suffix}', 24)
    tags: allTags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module exportStorage 'modules/export-storage.bicep' = {
  name: 'export-storage'
  params: {
    location: region
    name: take('${name}x${suffix}', 24)
    tags: allTags
    container: exportContainer
    redundancy: exportRedundancy
    restoreDays: restoreDays
    protect: protect
    workspaceId: monitoring.outputs.workspaceId
  }
}

module lifecycle 'modules/lifecycle.bicep' = {
  name: 'lifecycle'
  params: {
    accountName: exportStorage.outputs.name
    container: exportContainer
    prefix: exportPrefix
    retentionDays: retentionDays
    oldVersionDays: restoreDays
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    location: region
    name: 'kv-${name}-${take(suffix, 8)}'
    tags: allTags
    ampApiKey: ampApiKey
    ampSecretKey: ampSecretKey
    protect: protect
    workspaceId: monitoring.outputs.workspaceId
  }
}

module roles 'modules/roles.bicep' = if (assignRoles) {
  name: 'roles'
  params: {
    principalId: identity.outputs.principalId
    hostAccountName: hostStorage.outputs.name
    exportAccountName: exportStorage.outputs.name
    container: exportContainer
    vaultName: vault.outputs.name
    componentName: monitoring.outputs.componentName
  }
}

module readerRoles 'modules/readers.bicep' = if (assignRoles) {
  name: 'readers'
  params: {
    readers: readers
    exportAccountName: exportStorage.outputs.name
    container: exportContainer
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  params: {
    location: region
    name: appName
    tags: allTags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostAccountName: hostStorage.outputs.name
    deploymentContainer: hostStorage.outputs.deploymentContainer
    vaultUri: vault.outputs.uri
    connectionString: monitoring.outputs.connectionString
    workspaceId: monitoring.outputs.workspaceId
    pythonVersion: pythonVersion
    instanceMemoryMb: instanceMemoryMb
    storageUrl: exportStorage.outputs.url
    container: exportContainer
    prefix: exportPrefix
    dataOutfile: exportDataOutfile
    ampBaseUrl: ampBaseUrl
    schedule: exportSchedule
    tmpLimitMb: exportTmpLimitMb
    maxAttempts: exportMaxAttempts
    delaySeconds: exportDelaySeconds
    settleHours: exportSettleHours
    lookbackDays: exportLookbackDays
    maxRejectedPercent: exportMaxRejectedPercent
    concurrency: exportConcurrency
    logLevel: exportLogLevel
  }
  // The app looks its keys and its storage up when it starts; it starts with the rights it needs.
  dependsOn: [
    roles
  ]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: region
    name: appName
    tags: allTags
    workspaceId: monitoring.outputs.workspaceId
    alertEmails: alertEmails
    volumeFactor: volumeFactor
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  params: {
    location: region
    name: appName
    tags: allTags
    workspaceId: monitoring.outputs.workspaceId
  }
}

var assignRole = 'az role assignment create --assignee-principal-type ServicePrincipal --assignee-object-id ${identity.outputs.principalId}'
var assignReader = 'az role assignment create --assignee-principal-type Group --role "Storage Blob Data Reader"'
var appCommands = [
  '${assignRole} --role "Storage Blob Data Owner" --scope ${hostStorage.outputs.id}'
  '${assignRole} --role "Storage Queue Data Contributor" --scope ${hostStorage.outputs.id}'
  '${assignRole} --role "Storage Table Data Contributor" --scope ${hostStorage.outputs.id}'
  '${assignRole} --role "Storage Blob Data Contributor" --scope ${exportStorage.outputs.containerId}'
  '${assignRole} --role "Key Vault Secrets User" --scope ${vault.outputs.id}'
  '${assignRole} --role "Monitoring Metrics Publisher" --scope ${monitoring.outputs.componentId}'
]

@description('Commands an administrator runs when assignRoles is false, for the app.')
output missingRoles array = assignRoles ? [] : appCommands

@description('The same for the groups that may read the dumps.')
output missingReaderRoles array = [for reader in (assignRoles ? [] : readers): '${assignReader} --assignee-object-id ${reader} --scope ${exportStorage.outputs.containerId}']

// Not in capitals, as azd's samples have them: Azure answers such names in another case (azurE_...), and a query finds nothing.
@description('The function app.')
output functionAppName string = app.outputs.name

@description('Where the function app answers.')
output appUrl string = app.outputs.url

@description('Where the dumps are.')
output dumpsUrl string = '${exportStorage.outputs.url}/${exportContainer}'

@description('The storage account of the dumps.')
output exportAccountName string = exportStorage.outputs.name

@description('The vault that holds the Amplitude keys.')
output vaultName string = vault.outputs.name

@description('The workspace that holds the logs.')
output workspaceId string = monitoring.outputs.workspaceId
