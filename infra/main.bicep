// Leeward's control plane in the recovery region: the resource group, everything in it, and the role that runs use.
// Deploy with: az deployment sub create --location REGION --parameters infra/main.bicepparam
//
// What must hold: no credential is stored but the key secret, the webhooks' addresses and an observer's keys, and those only in a vault; every permission is named
// with its reason in modules/roles.bicep, modules/recovery-role.bicep and modules/observer-roles.bicep, and is one of src/azure/permissions.ts; the names of containers and queues are those
// of src/kernel/names.ts and the settings those of src/app/settings.ts (test/infra holds them against each other).
targetScope = 'subscription'

@description('Region in which the replicas lie and machines are recovered. A disk can be imported only in the region of its page blob.')
param location string

@description('Start of the names of all resources: lower-case letters and digits, a letter first.')
@minLength(3)
@maxLength(10)
param name string = 'leeward'

@description('Resource group that holds the control plane. Machines are recovered into resource groups of their own.')
@minLength(1)
@maxLength(90)
param resourceGroupName string = 'leeward-control'

@description('Secret that the keys of sites and operators are derived from: 32 random bytes or more in base64. A new one makes every key invalid.')
@secure()
@minLength(44)
param keySecret string

@description('Object id of the person or group that runs the command leeward against this deployment: it may write state, order failovers and read the key secret. Empty: nobody is given these roles.')
param operatorPrincipalId string = ''

@description('Object id of the person or group that may look at the state of sites, and at nothing else: no order, no key, no replica. Empty: nobody is given this role.')
param readerPrincipalId string = ''

@description('Webhooks by which people are told and asked: names and addresses as JSON, {} for none.')
@secure()
@minLength(2)
param webhooks string

@description('Address that mail about notices is sent to. Empty: no mail.')
param alertEmail string = ''

@description('Region of an app that looks at sites from there, as a witness of the kind region: another region than location. Empty: no such app.')
param observerLocation string = ''

@description('What that app looks at: the access files that leeward witness add wrote, as a JSON list; [] for none.')
@secure()
@minLength(2)
param observe string

@description('NCRONTAB schedule of that app, as often as its witnesses are to speak.')
@minLength(11)
param observeSchedule string = '*/30 * * * * *'

@description('Redundancy of the storage accounts. The control store is never failed over to another region, so zones are what protects it.')
@allowed([
  'Standard_ZRS'
  'Standard_GZRS'
  'Standard_LRS'
])
param storageSku string = 'Standard_ZRS'

@description('Address of the function app as sites reach it, https and without /api. Empty: the address that Azure gives it.')
param publicUrl string = ''

@description('NCRONTAB schedule of the monitor, which decides on failures of sites. LEEWARD_MONITOR_GAP_MS is three of its intervals.')
@minLength(11)
param monitorSchedule string = '*/15 * * * * *'

@description('NCRONTAB schedule of the sweep, which resumes what no message will. Volumes wait at most this long after a crash.')
@minLength(11)
param sweepSchedule string = '*/30 * * * * *'

@description('NCRONTAB schedule of notify, which sends people what is in the outbox. Not more often than every ten seconds.')
@minLength(11)
param notifySchedule string = '*/10 * * * * *'

@description('NCRONTAB schedule of the upkeep, which removes what nobody needs any more.')
@minLength(11)
param upkeepSchedule string = '0 17 * * * *'

@description('Instances of the function app at most. Each works on up to six messages of a queue at once: on twelve deltas where it runs both ingest queues.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Memory of an instance, in MiB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Address range of the virtual network, /22 or larger. It must not overlap with the sites that it is ever connected to.')
@minLength(9)
param addressPrefix string = '10.180.0.0/20'

var token = uniqueString(subscription().id, resourceGroupName, location)
var observerName = '${name}-observer-${token}'

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: resourceGroupName
  location: location
}

module identity 'modules/identity.bicep' = {
  name: 'leeward-identity'
  scope: group
  params: {
    location: location
    name: '${name}-${token}'
  }
}

module storage 'modules/storage.bicep' = {
  name: 'leeward-storage'
  scope: group
  params: {
    location: location
    name: '${name}${token}'
    sku: storageSku
  }
}

module hostStorage 'modules/host-storage.bicep' = {
  name: 'leeward-host-storage'
  scope: group
  params: {
    location: location
    name: '${name}h${token}'
    sku: storageSku
  }
}

module keyVault 'modules/keyvault.bicep' = {
  name: 'leeward-keyvault'
  scope: group
  params: {
    location: location
    name: '${name}${token}'
    keySecret: keySecret
    webhooks: webhooks
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'leeward-monitoring'
  scope: group
  params: {
    location: location
    name: '${name}-${token}'
  }
}

module email 'modules/email.bicep' = if (!empty(alertEmail)) {
  name: 'leeward-email'
  scope: group
  params: {
    location: location
    name: '${name}-${token}'
    email: alertEmail
    workspaceId: monitoring.outputs.workspaceId
  }
}

module network 'modules/network.bicep' = {
  name: 'leeward-network'
  scope: group
  params: {
    location: location
    name: '${name}-${token}'
    addressPrefix: addressPrefix
  }
}

module recoveryRole 'modules/recovery-role.bicep' = {
  name: 'leeward-recovery-role'
  params: {
    name: name
    principalId: identity.outputs.principalId
  }
}

module roles 'modules/roles.bicep' = {
  name: 'leeward-roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    operatorPrincipalId: operatorPrincipalId
    readerPrincipalId: readerPrincipalId
    storageName: storage.outputs.name
    hostStorageName: hostStorage.outputs.name
    keyVaultName: keyVault.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    importRoleId: recoveryRole.outputs.importRoleId
  }
}

// After the roles: an app that starts without them can read neither its package nor its secret.
module functionApp 'modules/function-app.bicep' = {
  name: 'leeward-function-app'
  scope: group
  dependsOn: [
    roles
  ]
  params: {
    location: location
    name: '${name}-${token}'
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageName: storage.outputs.name
    storageBlobEndpoint: storage.outputs.blobEndpoint
    storageQueueEndpoint: storage.outputs.queueEndpoint
    hostStorageName: hostStorage.outputs.name
    deploymentContainerUrl: hostStorage.outputs.deploymentContainerUrl
    keySecretUri: keyVault.outputs.keySecretUri
    webhooksSecretUri: keyVault.outputs.webhooksSecretUri
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    subnetId: network.outputs.appSubnetId
    publicUrl: publicUrl
    monitorSchedule: monitorSchedule
    sweepSchedule: sweepSchedule
    notifySchedule: notifySchedule
    upkeepSchedule: upkeepSchedule
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
  }
}

// A group of its own, in its region: what looks from elsewhere must not fail with what it looks for.
resource observerGroup 'Microsoft.Resources/resourceGroups@2024-03-01' = if (!empty(observerLocation)) {
  name: '${resourceGroupName}-observer'
  location: observerLocation
}

module observer 'modules/observer.bicep' = if (!empty(observerLocation)) {
  name: 'leeward-observer'
  scope: observerGroup
  params: {
    location: observerLocation
    name: observerName
    shortName: '${name}o${token}'
    storageSku: storageSku
    observe: observe
    schedule: observeSchedule
  }
}

@description('Name of the function app, to which dist/app is deployed.')
output functionAppName string = functionApp.outputs.name

@description('Address that sites are given.')
output publicUrl string = functionApp.outputs.publicUrl

@description('Storage account of state, replicas, journals and queues.')
output storageAccountName string = storage.outputs.name

@description('Subnet of recovered machines, for a recovery plan.')
output machineSubnetId string = network.outputs.machineSubnetId

@description('Name of the observer\'s function app, to which the same dist/app is deployed; empty without one.')
output observerAppName string = empty(observerLocation) ? '' : observerName
