// E-mail about notices: an alert on the line that the function `notify` writes about each, sent by an action group. Only where
// an address is given.
//
// What must hold: a notice is one alert, told from the others by its line, which has its id; so a line that is written twice
// sends one mail. The alert looks back over three evaluations, since lines may arrive minutes late, and is resolved by
// itself. No line has a link or an address of a webhook: approvers are asked by their webhooks alone.

@description('Region of the alert. An action group is global.')
param location string

@description('Name of the action group and of the alert.')
@minLength(4)
@maxLength(63)
param name string

@description('Address that mail about notices is sent to.')
@minLength(6)
param email string

@description('Resource id of the Log Analytics workspace that the app logs into.')
param workspaceId string

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'Global'
  properties: {
    groupShortName: 'leeward'
    enabled: true
    emailReceivers: [
      {
        name: 'people'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alert 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: name
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'Leeward: notice'
    description: 'A notice of Leeward. Its line has the id under which webhooks were sent it.'
    severity: 2
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: 'AppTraces | where Message startswith "leeward notice " | summarize Lines = count() by Message'
          timeAggregation: 'Total'
          metricMeasureColumn: 'Lines'
          dimensions: [
            {
              name: 'Message'
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}
