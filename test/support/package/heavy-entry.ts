/** An app that loads a client of Azure Resource Manager at its start: what the check of the package is to find. */
import { ComputeManagementClient } from '@azure/arm-compute';
import { app } from '@azure/functions';

app.timer('heavy', {
  schedule: '0 0 * * * *',
  handler: () => {
    new ComputeManagementClient({ getToken: () => Promise.resolve(null) }, 'none');
  },
});
