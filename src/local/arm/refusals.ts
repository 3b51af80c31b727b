/**
 * What the local ARM refuses, in Azure's own codes and, where they are known, its words.
 *
 * A refusal whose words were seen from Azure names where, as a GitHub issue; the others have the status that Azure's
 * REST guidelines give such a case, and a code that Azure uses for its like. No message holds the query of a URL: it may
 * be a credential.
 */
import { LeewardError } from '../../kernel/errors.ts';

/** An answer `{error: {code, message}}`, or the end of an operation that failed later. */
export class ArmError extends LeewardError {
  readonly status: 400 | 404 | 405 | 409 | 412;
  /** Azure's code: `ResourceNotFound`. */
  readonly armCode: string;

  constructor(status: ArmError['status'], armCode: string, message: string) {
    super('PLATFORM_FAILED', message);
    this.status = status;
    this.armCode = armCode;
  }
}

/** A resource as its error messages name it. */
interface Named {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly group: string;
}

const parameter = (message: string): ArmError => new ArmError(400, 'InvalidParameter', message);
const badRequest = (message: string): ArmError => new ArmError(400, 'BadRequest', message);

/** Every refusal of the local ARM, one function each. */
export const refusals = {
  apiVersionMissing: () =>
    new ArmError(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests.',
    ),
  apiVersionInvalid: (version: string) =>
    new ArmError(400, 'InvalidApiVersionParameter', `The api-version '${version}' is invalid.`),
  pathInvalid: (path: string) =>
    new ArmError(404, 'InvalidResourceType', `The local ARM has no resource type for '${path}'.`),
  methodNotAllowed: (method: string, type: string) =>
    new ArmError(405, 'MethodNotAllowed', `The local ARM does not take ${method} for '${type}'.`),
  subscriptionUnknown: (subscription: string) =>
    new ArmError(404, 'SubscriptionNotFound', `The subscription '${subscription}' could not be found.`),
  groupNotFound: (group: string) =>
    new ArmError(404, 'ResourceGroupNotFound', `Resource group '${group}' could not be found.`),
  groupBeingDeleted: (group: string) =>
    new ArmError(
      409,
      'ResourceGroupBeingDeleted',
      `The resource group '${group}' is in deprovisioning state and cannot perform this operation.`,
    ),
  groupNameInvalid: (group: string) =>
    new ArmError(
      400,
      'InvalidResourceGroup',
      `The resource group name '${group}' is invalid: at most 90 letters, digits, '-', '.', '(', ')' or '_', no '.' at the end.`,
    ),
  groupElsewhere: (group: string, at: { asked: string; existing: string }) =>
    new ArmError(
      409,
      'InvalidResourceGroupLocation',
      `Invalid resource group location '${at.asked}'. The Resource group already exists in location '${at.existing}'.`,
    ),
  resourceNotFound: (resource: Omit<Named, 'id'>) =>
    new ArmError(
      404,
      'ResourceNotFound',
      `The Resource '${resource.type}/${resource.name}' under resource group '${resource.group}' was not found. ` +
        'For more details please go to https://aka.ms/ARMResourceNotFoundFix',
    ),
  /** Seen: hashicorp/terraform-provider-azurerm, many; the wording of "Gallery names must be unique". */
  resourceElsewhere: (resource: Named, at: { asked: string; existing: string }) =>
    new ArmError(
      409,
      'InvalidResourceLocation',
      `The resource '${resource.name}' already exists in location '${at.existing}' in resource group ` +
        `'${resource.group}'. A resource with the same name cannot be created in location '${at.asked}'. ` +
        'Please select a new resource name.',
    ),
  contentInvalid: (why: string) =>
    new ArmError(
      400,
      'InvalidRequestContent',
      `The request content was invalid and could not be deserialized: '${why}'.`,
    ),
  locationMissing: () =>
    new ArmError(400, 'LocationRequired', 'The location property is required for this definition.'),
  beingDeleted: (resource: Named) =>
    new ArmError(409, 'OperationNotAllowed', `The resource '${resource.id}' is being deleted.`),
  /** The words of Azure Compute's answer to two writes at once. */
  changedMeanwhile: (resource: Named) =>
    new ArmError(
      409,
      'Conflict',
      `The request for '${resource.name}' failed due to conflict with a concurrent request. To resolve it, please ` +
        'refer to https://aka.ms/activitylog to get more details on the conflicting requests.',
    ),
  /** Seen for If-Match: kubernetes-sigs/cloud-provider-azure issue 9728. */
  existsAlready: (resource: Named) =>
    new ArmError(412, 'PreconditionFailed', `The resource '${resource.id}' exists and if-none-match was given as '*'.`),
  /** Seen: MicrosoftDocs/azure-docs, "The entity name 'galleryName' is invalid". */
  computeNameInvalid: (what: string, rule: string) =>
    parameter(`The entity name '${what}' is invalid according to its validation rule: ${rule}.`),
  /** Seen: templates for virtual WAN that quote it, code and words. */
  networkNameInvalid: (name: string) =>
    new ArmError(
      400,
      'InvalidResourceName',
      `Resource name ${name} is invalid. The name can be up to 80 characters long. It must begin with a word ` +
        "character, and it must end with a word character or with '_'. The name may contain word characters or '.', " +
        "'-', '_'.",
    ),
  /** Seen: MicrosoftDocs/azure-docs issue 16487 for `sourceUri`. */
  parameterMissing: (name: string) => parameter(`Required parameter '${name}' is missing (null).`),
  /** Seen: Azure/azure-powershell issue 12719. */
  storageAccountIdMissing: () => badRequest("Required parameter 'storageAccountId' is missing (null)."),
  storageAccountUnknown: (id: string) =>
    new ArmError(
      404,
      'StorageAccountNotFound',
      `Storage account '${id}' not found. Ensure storage account is not deleted and belongs to the same Azure ` +
        'location as the disk.',
    ),
  blobOfOtherAccount: (url: string, accountId: string) =>
    badRequest(`The source blob ${url} does not belong to the storage account ${accountId}.`),
  /** Seen: microsoft/DefendTheFlag issue 1. */
  blobElsewhere: (url: string) => badRequest(`The source blob ${url} does not belong to the same region as the disk.`),
  blobSnapshot: (url: string) =>
    badRequest(`The source blob ${url} is a snapshot. A disk is imported from a page blob: copy the snapshot first.`),
  blobNotFound: (url: string) => new ArmError(404, 'NotFound', `Unable to find VHD blob with URI ${url}.`),
  /** Seen: Azure/azure-cli issue 6179 and MicrosoftDocs/azure-docs pull request 5148; Azure Stack adds what is wrong. */
  blobNoVhd: (why: string) => badRequest(`Only blobs formatted as VHDs can be imported. ${why}.`),
  notSupportedHere: (what: string) => parameter(`The local ARM does not support ${what}.`),
  /** Seen: MicrosoftDocs, "Changing property 'imageReference' is not allowed". */
  changeNotAllowed: (property: string) =>
    new ArmError(409, 'PropertyChangeNotAllowed', `Changing property '${property}' is not allowed.`),
  imageNotFound: (id: string, location: string) =>
    new ArmError(
      404,
      'GalleryImageNotFound',
      `The gallery image ${id} is not available in ${location} region. Please contact image owner to replicate to ` +
        'this region, or change your requested region.',
    ),
  /** Seen: MicrosoftDocs/azure-docs issue 81734. */
  referenceInvalid: (missing: string, by: string) =>
    new ArmError(
      400,
      'InvalidResourceReference',
      `Resource ${missing} referenced by resource ${by} was not found. Please make sure that the referenced resource ` +
        'exists, and that both resources are in the same region.',
    ),
  subnetMissing: (by: string) =>
    new ArmError(400, 'SubnetIsRequired', `Subnet reference is required for ipconfiguration of ${by}.`),
  /** Seen: pulumi/pulumi-azure issue 441, both on creation of a machine and on deletion of the interface. */
  interfaceInUse: (id: string, by: string) =>
    new ArmError(
      400,
      'NicInUse',
      `Network Interface ${id} is used by existing resource ${by}. In order to delete the network interface, it must ` +
        'be dissociated from the resource. To learn more, see aka.ms/deletenic.',
    ),
  diskNotFound: (id: string) => new ArmError(404, 'NotFound', `Disk ${id} is not found.`),
  diskNotReady: (id: string, state: string) =>
    new ArmError(409, 'OperationNotAllowed', `Disk ${id} cannot be attached: its provisioning state is ${state}.`),
  /** Seen: MicrosoftDocs, Azure Kubernetes Service troubleshooting. */
  diskAttachedElsewhere: (id: string, by: string) =>
    new ArmError(
      409,
      'ConflictingUserInput',
      `Disk '${id}' cannot be attached as the disk is already owned by VM '${by}'.`,
    ),
  /** Seen: MicrosoftDocs, Azure Kubernetes Service troubleshooting. */
  diskInUse: (name: string, by: string) =>
    new ArmError(409, 'OperationNotAllowed', `Disk ${name} is attached to VM ${by}.`),
  /** Seen: Azure/azure-sdk-for-go issue 678. */
  lunTaken: (lun: number) => parameter(`A disk at LUN ${lun} already exists.`),
  diskTwice: (id: string) => parameter(`Disk '${id}' is attached more than once.`),
  /** Seen: the words in autoscaling reports of Azure CycleCloud; the code in "Troubleshoot allocation failures". */
  noCapacity: () =>
    new ArmError(
      409,
      'AllocationFailed',
      'Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read more ' +
        'about improving likelihood of allocation success at http://aka.ms/allocation-guidance',
    ),
  machineDidNotStart: (why: string) => new ArmError(409, 'VMStartFailed', why),
  addressesUsedUp: () =>
    new ArmError(409, 'SubnetIsFull', 'The local ARM found no free address of 127.77.0.0/16 for a network interface.'),
};
