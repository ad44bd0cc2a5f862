// The two identities of the GitHub workflows, in a group of their own: whoever may change the exporter's group must not be
// able to let another repository in. Deployed by hand, by an Owner; docs/operations.md, "Deploy from GitHub".
//   az deployment group create --resource-group CI-GROUP --parameters infra/ci/main.bicepparam
targetScope = 'resourceGroup'

@description('Region of the identities.')
param location string = resourceGroup().location

@description('The exporter\'s resource group.')
@minLength(1)
@maxLength(90)
param exporterGroup string

@description('The object id of the exporter\'s identity: output appPrincipalId of the exporter\'s deployment.')
@minLength(36)
@maxLength(36)
param appPrincipalId string

@description('The subject of the tokens of deploy.yml, which runs in the environment production.')
@minLength(20)
@maxLength(600)
param deploySubject string

@description('The subject of the tokens of infra.yml, which runs in the environment what-if.')
@minLength(20)
@maxLength(600)
param whatIfSubject string

// A pull request reaches what-if: a subject that fits both would give it the right to deploy.
var deploys = startsWith(deploySubject, 'repo:') && endsWith(deploySubject, ':environment:production')
  ? deploySubject
  : fail('deploySubject: "${deploySubject}" does not begin with repo: and end with :environment:production.')
var previews = startsWith(whatIfSubject, 'repo:') && endsWith(whatIfSubject, ':environment:what-if')
  ? whatIfSubject
  : fail('whatIfSubject: "${whatIfSubject}" does not begin with repo: and end with :environment:what-if.')

resource deployer 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-exporter-deploy'
  location: location
}

resource deployerOnGitHub 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = {
  parent: deployer
  name: 'github-production'
  properties: {
    issuer: 'https://token.actions.githubusercontent.com'
    subject: deploys
    audiences: [
      'api://AzureADTokenExchange'
    ]
  }
}

resource previewer 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-exporter-what-if'
  location: location
}

resource previewerOnGitHub 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = {
  parent: previewer
  name: 'github-what-if'
  properties: {
    issuer: 'https://token.actions.githubusercontent.com'
    subject: previews
    audiences: [
      'api://AzureADTokenExchange'
    ]
  }
}

module roles 'roles.bicep' = {
  scope: resourceGroup(exporterGroup)
  params: {
    // In the assignments' names, as in the exporter's roles.
    #disable-next-line what-if-short-circuiting
    deployerId: deployer.properties.principalId
    #disable-next-line what-if-short-circuiting
    previewerId: previewer.properties.principalId
    appPrincipalId: appPrincipalId
  }
}

@description('AZURE_CLIENT_ID of the environment production.')
output deployClientId string = deployer.properties.clientId

@description('AZURE_CLIENT_ID of the environment what-if.')
output whatIfClientId string = previewer.properties.clientId
