// What the app may do: each role on the one thing it is needed for. main.bicep lists the same as commands.

@description('The app\'s identity.')
param principalId string

@description('The storage account of the Functions host.')
param hostAccountName string

@description('The storage account of the dumps.')
param exportAccountName string

@description('The container of the dumps.')
param container string

@description('The container of the ledger.')
param ledgerContainer string

@description('builtIn, or narrow: the roles of dumps-role.bicep.')
param dumpsRole string

@description('The vault with the Amplitude keys.')
param vaultName string

@description('Whether the vault has a key of erasures.')
param erasure bool

@description('The Application Insights component.')
param componentName string

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
// The same names as in dumps-role.bicep.
var dumpsRoleId = dumpsRole == 'narrow' ? guid(resourceGroup().id, 'dumps-role') : blobDataContributor
var ledgerRoleId = dumpsRole == 'narrow' ? guid(resourceGroup().id, 'ledger-role') : blobDataContributor
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource hostAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostAccountName
}

resource hostQueueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' existing = {
  parent: hostAccount
  name: 'default'
}

resource exportDays 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = {
  parent: hostQueueService
  name: 'export-days'
}

resource exportDaysPoison 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = {
  parent: hostQueueService
  name: 'export-days-poison'
}

resource exportAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: exportAccountName
}

resource exportBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: exportAccount
  name: 'default'
}

resource dumps 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: exportBlobs
  name: container
}

resource ledger 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: exportBlobs
  name: ledgerContainer
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

resource apiKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' existing = {
  parent: vault
  name: 'AMP-API-KEY'
}

resource secretKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' existing = {
  parent: vault
  name: 'AMP-SECRET-KEY'
}

resource erasureKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' existing = {
  parent: vault
  name: 'ERASURE-KEY'
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

// The host keeps its locks, its keys and the deployed package here, and reads the latter.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostAccount
  name: guid(hostAccount.id, principalId, blobDataOwner)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
  }
}

// The queue of days, and the one of days given up. Message Processor and Sender are not enough: the host renews its hold on
// a message, and puts a failed one back for a while, which needs messages/write. No right on other queues of the account.
resource dayQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: exportDays
  name: guid(exportDays.id, principalId, queueDataContributor)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
  }
}

resource poisonQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: exportDaysPoison
  name: guid(exportDaysPoison.id, principalId, queueDataContributor)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
  }
}

// The host's diagnostic events.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostAccount
  name: guid(hostAccount.id, principalId, tableDataContributor)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
  }
}

// The dumps: the container alone, not the account.
resource dumpsWriter 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: dumps
  name: guid(dumps.id, principalId, dumpsRoleId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dumpsRoleId)
  }
}

// The ledger: the built-in role could do more, and the container's policy lets it append and nothing else. The narrow one has
// no other right.
resource ledgerWriter 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: ledger
  name: guid(ledger.id, principalId, ledgerRoleId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ledgerRoleId)
  }
}

// Reading the secrets, whatever else may once be in the vault.
resource apiKeyReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: apiKey
  name: guid(apiKey.id, principalId, secretsUser)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

resource secretKeyReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: secretKey
  name: guid(secretKey.id, principalId, secretsUser)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

resource erasureKeyReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (erasure) {
  scope: erasureKey
  name: guid(erasureKey.id, principalId, secretsUser)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

// Sending telemetry, not reading it.
resource telemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: component
  name: guid(component.id, principalId, metricsPublisher)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
  }
}
