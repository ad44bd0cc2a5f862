// The function app on Flex Consumption. Every app setting is here: a deployment replaces them all.

@description('Region.')
param location string

@description('Name of the function app.')
param name string

@description('Tags.')
param tags { *: string }

@description('Resource id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
param identityClientId string

@description('The storage account of the Functions host.')
param hostAccountName string

@description('The container that the app\'s package is deployed to.')
param deploymentContainer string

@description('The vault with the Amplitude keys; ends with a slash.')
param vaultUri string

@description('Where telemetry is sent.')
param connectionString string

@description('Where the diagnostic logs go.')
param workspaceId string

@description('Python of the function app.')
param pythonVersion string

@description('Memory of one instance in MB.')
param instanceMemoryMb int

@description('Blob endpoint of the dumps.')
param storageUrl string

@description('The container of the dumps.')
param container string

@description('What goes before every name.')
param prefix string

@description('The last part of a dump\'s name.')
param dataOutfile string

@description('Where the Amplitude project lives.')
param ampBaseUrl string

@description('When the nightly run starts; six fields, UTC.')
param schedule string

@description('Bound of all working files in MB.')
param tmpLimitMb int

@description('Requests for one window at most.')
param maxAttempts int

@description('The first wait after a 5xx.')
param delaySeconds string

@description('Hours after a day\'s end from which an export of it is final.')
param settleHours int

@description('How far back the nightly run repairs.')
param lookbackDays int

@description('Percentage of rejected lines from which a day fails.')
param maxRejectedPercent string

@description('Chains that a backfill makes.')
param concurrency int

@description('Whether, and as what, each day becomes a table.')
param tables string

@description('Whether a report is written each night.')
param report string

@description('The container of the ledger.')
param ledgerContainer string

@description('How many nights it takes to read each final day again.')
param scrubDays int

@description('Whether the vault has a key of erasures.')
param erasure bool

@description('Whether Amplitude\'s list of deleted people is read.')
param eraseFollow string

@description('Whether they are erased without asking.')
param eraseConfirm string

@description('What is logged.')
param logLevel string

var storageSuffix = environment().suffixes.storage

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  // azd finds the app that azure.yaml calls exporter by this tag.
  tags: union(tags, { 'azd-service-name': 'exporter' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: 'https://${hostAccountName}.blob.${storageSuffix}/${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMb
        maximumInstanceCount: 40
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    // The host's storage, by identity. The account's name as well as the addresses: with the blob address alone the host
    // now and then starts without its blob client (Azure/azure-functions-host 11782, 11787).
    AzureWebJobsStorage__accountName: hostAccountName
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsStorage__blobServiceUri: 'https://${hostAccountName}.blob.${storageSuffix}'
    AzureWebJobsStorage__queueServiceUri: 'https://${hostAccountName}.queue.${storageSuffix}'
    AzureWebJobsStorage__tableServiceUri: 'https://${hostAccountName}.table.${storageSuffix}'
    // Telemetry. Without the logger name the root logger sends its own requests' logs, for ever.
    APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
    PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME: 'exporter'
    // Nothing goes to Microsoft's own statistics of the telemetry library.
    APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL: 'true'
    // The exporter's own access to its storage.
    AZURE_CLIENT_ID: identityClientId
    AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
    // The exporter. No version in the references: a new key in the vault needs no deployment.
    AMP_API_KEY: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/AMP-API-KEY)'
    AMP_SECRET_KEY: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/AMP-SECRET-KEY)'
    AMP_BASE_URL: ampBaseUrl
    EXPORT_STORAGE_URL: storageUrl
    EXPORT_CONTAINER: container
    EXPORT_PREFIX: prefix
    EXPORT_DATA_OUTFILE: dataOutfile
    EXPORT_SCHEDULE: schedule
    EXPORT_TMP_LIMIT_MB: string(tmpLimitMb)
    EXPORT_MAX_ATTEMPTS: string(maxAttempts)
    EXPORT_DELAY_SECONDS: delaySeconds
    EXPORT_SETTLE_HOURS: string(settleHours)
    EXPORT_LOOKBACK_DAYS: string(lookbackDays)
    EXPORT_MAX_REJECTED_PERCENT: maxRejectedPercent
    EXPORT_CONCURRENCY: string(concurrency)
    EXPORT_TABLES: tables
    EXPORT_REPORT: report
    EXPORT_LEDGER_CONTAINER: ledgerContainer
    EXPORT_SCRUB_DAYS: string(scrubDays)
    // A reference to a secret that is not there would be taken for the key itself.
    EXPORT_ERASURE_KEY: erasure ? '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/ERASURE-KEY)' : ''
    EXPORT_ERASE_FOLLOW: eraseFollow
    EXPORT_ERASE_CONFIRM: eraseConfirm
    EXPORT_LOG_LEVEL: logLevel
  }
}

// No user name and password for deployments: tokens only.
resource scmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource ftpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

// What the host says before telemetry works: an app that does not start is seen here and nowhere else.
// The newest version of this type. 2016-09-01, which the rule would take instead, is an older one.
#disable-next-line use-recent-api-versions
resource hostLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: app
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
  }
}

@description('Name.')
output name string = app.name

@description('Where the app answers.')
output url string = 'https://${app.properties.defaultHostName}'
