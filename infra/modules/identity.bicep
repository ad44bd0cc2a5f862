// The one identity that everything in the app runs as. User-assigned: its roles exist before the app starts.

@description('Region.')
param location string

@description('Name of the identity.')
param name string

@description('Tags.')
param tags { *: string }

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id.')
output id string = identity.id

@description('What the app names when it asks for a token.')
output clientId string = identity.properties.clientId

@description('What roles are given to.')
output principalId string = identity.properties.principalId
