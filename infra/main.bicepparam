// An example of the parameters. The secret comes from the environment, so that it stands in no file:
//   export LEEWARD_KEY_SECRET=$(openssl rand -base64 32)
using './main.bicep'

param location = 'westeurope'
param name = 'leeward'
param keySecret = readEnvironmentVariable('LEEWARD_KEY_SECRET')
