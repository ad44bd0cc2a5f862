// The Amplitude keys and the key of erasures, and nothing else.

@description('Region.')
param location string

@description('Name of the vault.')
@maxLength(24)
param name string

@description('Tags.')
param tags { *: string }

@description('The Amplitude project\'s API key. Empty leaves the secret as it is.')
@secure()
param ampApiKey string

@description('The Amplitude project\'s secret key. Empty leaves the secret as it is.')
@secure()
param ampSecretKey string

@description('The key of the hashes of erased ids. Empty leaves the secret as it is.')
@secure()
param erasureKey string

@description('Whether the vault is locked, and what was deleted in it cannot be purged.')
param protect bool

@description('Where the audit log goes.')
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    // Cannot be changed later, so it does not depend on protect.
    softDeleteRetentionInDays: 90
    // Azure refuses false here: once on, it stays on.
    enablePurgeProtection: protect ? true : null
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

// Secret names know no underscore.
resource apiKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(ampApiKey)) {
  parent: vault
  name: 'AMP-API-KEY'
  properties: {
    contentType: 'Amplitude API key'
    value: ampApiKey
  }
}

resource secretKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(ampSecretKey)) {
  parent: vault
  name: 'AMP-SECRET-KEY'
  properties: {
    contentType: 'Amplitude secret key'
    value: ampSecretKey
  }
}

resource erasures 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(erasureKey)) {
  parent: vault
  name: 'ERASURE-KEY'
  properties: {
    contentType: 'Key of the hashes of erased ids'
    value: erasureKey
  }
}

// Who read which secret.
// The newest version of this type. 2016-09-01, which the rule would take instead, is an older one.
#disable-next-line use-recent-api-versions
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (protect) {
  scope: vault
  name: 'keep-the-keys'
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds the Amplitude keys. docs/operations.md, "Tear down", tells how to remove this lock.'
  }
}

@description('Resource id.')
output id string = vault.id

@description('Name.')
output name string = vault.name

@description('Where secrets are read; ends with a slash.')
output uri string = vault.properties.vaultUri
