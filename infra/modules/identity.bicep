// The identity of the function app. It is user-assigned, so that roles and grants outlive the app and exist before it.

@description('Region of the identity.')
param location string

@description('Name of the identity.')
@minLength(3)
@maxLength(128)
param name string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
}

@description('Resource id, which the function app names.')
output id string = identity.id

@description('Client id, by which programs on the app choose this identity.')
output clientId string = identity.properties.clientId

@description('Object id, to which roles are assigned.')
output principalId string = identity.properties.principalId
