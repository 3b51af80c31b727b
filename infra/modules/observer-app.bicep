// The function app of an observer in another region, on a Flex Consumption plan: the same package as the control plane's app,
// and LEEWARD_OBSERVE makes it an observer and nothing else (functions/main.ts).
//
// What must hold: none of its settings names anything of the control plane or holds a credential.

@description('Region of the app and its plan.')
param location string

@description('Name of the app.')
@minLength(2)
@maxLength(60)
param name string

@description('Resource id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
@minLength(36)
@maxLength(36)
param identityClientId string

@description('Storage account of the Functions host.')
param hostStorageName string

@description('Container that the deployed package lies in.')
param deploymentContainerUrl string

@description('Address of the secret for the setting LEEWARD_OBSERVE, in the vault.')
param observeSecretUri string

@description('Where telemetry is sent; an address, no credential.')
param applicationInsightsConnectionString string

@description('NCRONTAB schedule of the function.')
@minLength(11)
param schedule string

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
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: [
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
        {
          name: 'LEEWARD_OBSERVE'
          value: '@Microsoft.KeyVault(SecretUri=${observeSecretUri})'
        }
        {
          name: 'LEEWARD_OBSERVE_SCHEDULE'
          value: schedule
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
        // The least that there is: a timer runs on one.
        maximumInstanceCount: 40
        instanceMemoryMB: 512
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
