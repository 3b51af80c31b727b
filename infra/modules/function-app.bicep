// The function app on a Flex Consumption plan: no instance waits, and everything it needs to know is a setting.
//
// What must hold: the settings are those of src/app/settings.ts that have no default, the connection LEEWARD_STORAGE of
// the queue triggers, and the platform's own; none of them holds a credential, the key secret is a reference.
// Shape of functionAppConfig: "Automate resource deployment for Azure Functions", Flex Consumption.

@description('Region of the app and its plan.')
param location string

@description('Name of the app: its address is https://NAME.azurewebsites.net.')
@minLength(2)
@maxLength(60)
param name string

@description('Resource id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
@minLength(36)
@maxLength(36)
param identityClientId string

@description('Storage account of state, replicas, journals and queues.')
param storageName string

@description('Blob endpoint of that account.')
param storageBlobEndpoint string

@description('Queue endpoint of that account.')
param storageQueueEndpoint string

@description('Storage account of the Functions host.')
param hostStorageName string

@description('Container that the deployed package lies in.')
param deploymentContainerUrl string

@description('Address of the key secret in the vault.')
param keySecretUri string

@description('Address of the secret for the setting LEEWARD_WEBHOOKS, in the vault.')
param webhooksSecretUri string

@description('Where telemetry is sent; an address, no credential.')
param applicationInsightsConnectionString string

@description('Subnet that the app sends from, so that its probes reach the private addresses of recovered machines.')
param subnetId string

@description('Address of the app as sites reach it. Empty: the address that Azure gives it.')
param publicUrl string

@description('NCRONTAB schedule of the monitor.')
@minLength(11)
param monitorSchedule string

@description('NCRONTAB schedule of the sweep.')
@minLength(11)
param sweepSchedule string

@description('NCRONTAB schedule of notify.')
@minLength(11)
param notifySchedule string

@description('NCRONTAB schedule of the upkeep.')
@minLength(11)
param upkeepSchedule string

@description('Instances at most.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int

@description('Memory of an instance, in MiB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int

var address = empty(publicUrl) ? 'https://${name}.azurewebsites.net' : publicUrl

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: name
  location: location
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: subnetId
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: [
        // The Functions host's own storage.
        {
          name: 'AzureWebJobsStorage__accountName'
          value: hostStorageName
        }
        {
          name: 'AzureWebJobsStorage__credential'
          value: 'managedidentity'
        }
        {
          name: 'AzureWebJobsStorage__clientId'
          value: identityClientId
        }
        // The storage of Leeward: read by the program, and by the queue triggers as their connection.
        {
          name: 'LEEWARD_STORAGE__accountName'
          value: storageName
        }
        {
          name: 'LEEWARD_STORAGE__blobServiceUri'
          value: storageBlobEndpoint
        }
        {
          name: 'LEEWARD_STORAGE__queueServiceUri'
          value: storageQueueEndpoint
        }
        {
          name: 'LEEWARD_STORAGE__credential'
          value: 'managedidentity'
        }
        {
          name: 'LEEWARD_STORAGE__clientId'
          value: identityClientId
        }
        // Which identity the program itself takes.
        {
          name: 'AZURE_CLIENT_ID'
          value: identityClientId
        }
        {
          name: 'LEEWARD_KEY_SECRET'
          value: '@Microsoft.KeyVault(SecretUri=${keySecretUri})'
        }
        {
          name: 'LEEWARD_WEBHOOKS'
          value: '@Microsoft.KeyVault(SecretUri=${webhooksSecretUri})'
        }
        {
          name: 'LEEWARD_PUBLIC_URL'
          value: address
        }
        {
          name: 'LEEWARD_SUBSCRIPTION_ID'
          value: subscription().subscriptionId
        }
        {
          name: 'LEEWARD_STORAGE_RESOURCE_GROUP'
          value: resourceGroup().name
        }
        {
          name: 'LEEWARD_MONITOR_SCHEDULE'
          value: monitorSchedule
        }
        {
          name: 'LEEWARD_SWEEP_SCHEDULE'
          value: sweepSchedule
        }
        {
          name: 'LEEWARD_NOTIFY_SCHEDULE'
          value: notifySchedule
        }
        {
          name: 'LEEWARD_UPKEEP_SCHEDULE'
          value: upkeepSchedule
        }
        {
          // Young objects take 4 MiB thrice instead of 16 or more: what deltas leave there is short-lived, and instances are small.
          name: 'NODE_OPTIONS'
          value: '--max-semi-space-size=4'
        }
        {
          name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
          value: applicationInsightsConnectionString
        }
        {
          name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
          value: 'ClientId=${identityClientId};Authorization=AAD'
        }
      ]
    }
    functionAppConfig: {
      runtime: {
        name: 'node'
        version: '24'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: deploymentContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        alwaysReady: []
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
      }
    }
  }
}

// Deployment goes by identity too: the passwords of FTP and of the deployment site stay off.
resource basicCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [
  for policy in ['ftp', 'scm']: {
    parent: app
    name: policy
    properties: {
      allow: false
    }
  }
]

@description('Name of the app.')
output name string = app.name

@description('Address that sites are given.')
output publicUrl string = address
