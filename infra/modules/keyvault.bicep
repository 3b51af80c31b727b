// The vault of the two secrets: what the keys of sites and operators, and the links of approvers, are derived from; and the
// addresses of the webhooks by which people are told and asked.
//
// What must hold: access by roles only; nobody, not even an owner, can destroy the secret before its retention is over,
// since with it every site would lose its key.

@description('Region of the vault.')
param location string

@description('Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Value of LEEWARD_KEY_SECRET: 32 bytes or more in base64.')
@secure()
@minLength(44)
param keySecret string

@description('Value of LEEWARD_WEBHOOKS: names and addresses as JSON, {} for none. Whoever has an address can send there in the name of Leeward.')
@secure()
@minLength(2)
param webhooks string

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
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
  }
}

// A deleted vault could be recovered, yet every site would be refused until somebody did.
resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'key-secret'
  scope: vault
  properties: {
    level: 'CanNotDelete'
    notes: 'The secret that the keys of sites and operators are derived from.'
  }
}

// The setting LEEWARD_KEY_SECRET; names of secrets take no underscore.
resource secret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'LEEWARD-KEY-SECRET'
  properties: {
    value: keySecret
    contentType: 'base64'
  }
}

// The setting LEEWARD_WEBHOOKS.
resource webhooksSecret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'LEEWARD-WEBHOOKS'
  properties: {
    value: webhooks
    contentType: 'application/json'
  }
}

@description('Name of the vault.')
output name string = vault.name

@description('Address of the secret without a version, so that the app follows a new one.')
output keySecretUri string = secret.properties.secretUri

@description('Address of the secret with the webhooks, without a version.')
output webhooksSecretUri string = webhooksSecret.properties.secretUri
