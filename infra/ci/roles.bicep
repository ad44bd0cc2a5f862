// What the workflows' identities may do in the exporter's group.

@description('The identity of deploy.yml.')
param deployerId string

@description('The identity of infra.yml.')
param previewerId string

@description('The exporter\'s identity.')
param appPrincipalId string

var contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'
var accessAdministrator = 'f58310d9-a9f6-439a-9e8d-f62e7b41a168'
var reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
var blobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
// Of modules/roles.bicep: Storage Blob Data Owner, Queue, Table and Blob Data Contributor, the two narrow roles, Key Vault Secrets
// User, Monitoring Metrics Publisher. A test holds the list to what is deployed.
var appRoles = [
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  guid(resourceGroup().id, 'dumps-role')
  guid(resourceGroup().id, 'ledger-role')
  '4633458b-17de-408a-b874-0445c86b69e6'
  '3913510d-42f4-4e42-8a64-420c390055eb'
]

var group = resourceGroup().id

// The app's roles for the app alone; dumps to be read by people and groups, so never by the workflow's own identity.
var permitted = map(
  ['Request', 'Resource'],
  of =>
    '((@${of}[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${join(appRoles, ', ')}} AND @${of}[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAnyValues:GuidEquals {${appPrincipalId}}) OR (@${of}[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${blobDataReader}} AND @${of}[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {\'User\', \'Group\'}))'
)
var condition = '((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR ${permitted[0]}) AND ((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/delete\'})) OR ${permitted[1]})'

resource deploys 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: resourceGroup()
  name: guid(resourceGroup().id, deployerId, contributor)
  properties: {
    principalId: deployerId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributor)
  }
}

resource assigns 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: resourceGroup()
  name: guid(resourceGroup().id, deployerId, accessAdministrator)
  properties: {
    principalId: deployerId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', accessAdministrator)
    conditionVersion: '2.0'
    condition: condition
  }
}

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: resourceGroup()
  name: guid(resourceGroup().id, previewerId, reader)
  properties: {
    principalId: previewerId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', reader)
  }
}

// Reader alone may not ask what a deployment would change.
resource whatIf 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  scope: resourceGroup()
  name: guid(resourceGroup().id, 'what-if')
  properties: {
    roleName: 'Deployment what-if ${uniqueString(resourceGroup().id)}'
    description: 'May ask what a deployment would change, and change nothing.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.Resources/deployments/validate/action'
          'Microsoft.Resources/deployments/whatIf/action'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: [
      group
    ]
  }
}

resource asks 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: resourceGroup()
  name: guid(resourceGroup().id, previewerId, whatIf.name)
  properties: {
    principalId: previewerId
    principalType: 'ServicePrincipal'
    roleDefinitionId: whatIf.id
  }
}
