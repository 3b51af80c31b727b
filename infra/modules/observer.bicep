// An app in another region that looks at sites from there (the function `observe`): a witness of the kind `region`.
//
// What must hold: it shares nothing with the control plane that fails with that region, neither storage nor vault nor identity;
// it reaches Leeward by its public door alone, with the keys of its witnesses.

@description('Region that sites are looked at from: another one than the control plane\'s.')
param location string

@description('Name of the app, its identity and its telemetry.')
@minLength(4)
@maxLength(60)
param name string

@description('Name of the storage account of its Functions host, and of its vault: lower-case letters and digits, a letter first.')
@minLength(3)
@maxLength(24)
param shortName string

@description('Redundancy of the storage account.')
@allowed([
  'Standard_ZRS'
  'Standard_GZRS'
  'Standard_LRS'
])
param storageSku string

@description('Value of LEEWARD_OBSERVE: the access files of the witnesses, as a JSON list.')
@secure()
@minLength(2)
param observe string

@description('NCRONTAB schedule of the function.')
@minLength(11)
param schedule string

module identity 'identity.bicep' = {
  name: 'leeward-observer-identity'
  params: {
    location: location
    name: name
  }
}

module hostStorage 'host-storage.bicep' = {
  name: 'leeward-observer-host-storage'
  params: {
    location: location
    name: shortName
    sku: storageSku
  }
}

module monitoring 'monitoring.bicep' = {
  name: 'leeward-observer-monitoring'
  params: {
    location: location
    name: name
  }
}

module keyVault 'observer-keyvault.bicep' = {
  name: 'leeward-observer-keyvault'
  params: {
    location: location
    name: shortName
    observe: observe
  }
}

module roles 'observer-roles.bicep' = {
  name: 'leeward-observer-roles'
  params: {
    principalId: identity.outputs.principalId
    hostStorageName: hostStorage.outputs.name
    keyVaultName: keyVault.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
  }
}

// After the roles: an app that starts without them can read neither its package nor its secret.
module app 'observer-app.bicep' = {
  name: 'leeward-observer-app'
  dependsOn: [
    roles
  ]
  params: {
    location: location
    name: name
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostStorageName: hostStorage.outputs.name
    deploymentContainerUrl: hostStorage.outputs.deploymentContainerUrl
    observeSecretUri: keyVault.outputs.observeSecretUri
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    schedule: schedule
  }
}
