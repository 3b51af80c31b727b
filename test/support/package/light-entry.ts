/** An app that loads a client of Azure Resource Manager only when it is called. */
import { app } from '@azure/functions';
import { BlobServiceClient } from '@azure/storage-blob';

app.storageQueue('light', {
  queueName: 'q',
  connection: 'C',
  handler: async (message) => {
    if (message !== 'heavy') return BlobServiceClient.name;
    const { ComputeManagementClient } = await import('@azure/arm-compute');
    return ComputeManagementClient.name;
  },
});
