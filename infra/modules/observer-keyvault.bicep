// The vault of an observer in another region: the keys of its witnesses, and nothing else.

@description('Region of the vault.')
param location string

@description('Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Value of LEEWARD_OBSERVE: the access files of the witnesses, as a JSON list.')
@secure()
@minLength(2)
param observe string

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
  }
}

// The setting LEEWARD_OBSERVE; names of secrets take no underscore.
resource secret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'LEEWARD-OBSERVE'
  properties: {
    value: observe
    contentType: 'application/json'
  }
}

@description('Name of the vault.')
output name string = vault.name

@description('Address of the secret without a version, so that the app follows a new one.')
output observeSecretUri string = secret.properties.secretUri
