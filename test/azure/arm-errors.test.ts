/** ARM's refusals, in the forms in which the SDKs give them. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { RestError } from '@azure/core-rest-pipeline';
import { classifyArm, failedOperation, isCapacity, isOperationFailure } from '../../src/azure/arm-errors.ts';
import type { ErrorCode } from '../../src/kernel/errors.ts';

const rest = (statusCode: number | undefined, code: string, message = 'words') =>
  new RestError(message, { code, ...(statusCode === undefined ? {} : { statusCode }) });
const quota = 'Operation could not be completed as it results in exceeding approved Total Regional Cores quota.';

const CASES: [string, unknown, ErrorCode][] = [
  ['AllocationFailed', rest(409, 'AllocationFailed'), 'NO_CAPACITY'],
  ['ZonalAllocationFailed', rest(409, 'ZonalAllocationFailed'), 'NO_CAPACITY'],
  ['OverconstrainedAllocationRequest', rest(409, 'OverconstrainedAllocationRequest'), 'NO_CAPACITY'],
  ['SkuNotAvailable', rest(409, 'SkuNotAvailable'), 'NO_CAPACITY'],
  ['QuotaExceeded', rest(400, 'QuotaExceeded'), 'NO_CAPACITY'],
  ['a quota in other words', rest(409, 'OperationNotAllowed', quota), 'NO_CAPACITY'],
  ['something in work', rest(409, 'OperationNotAllowed', 'Disk is being created.'), 'UNAVAILABLE'],
  ['a missing image', rest(404, 'ResourceNotFound'), 'NOT_FOUND'],
  ['a missing role', rest(403, 'AuthorizationFailed'), 'DENIED'],
  ['throttling', rest(429, 'TooManyRequests'), 'UNAVAILABLE'],
  ['a fault', rest(500, 'InternalServerError'), 'UNAVAILABLE'],
  ['no answer', rest(undefined, 'REQUEST_SEND_ERROR'), 'UNAVAILABLE'],
  ['a bad request', rest(400, 'InvalidParameter'), 'PLATFORM_FAILED'],
  [
    'an operation that failed',
    new Error('The long-running operation has failed. BadRequest. Only blobs formatted as VHDs can be imported.'),
    'PLATFORM_FAILED',
  ],
  [
    'an operation that found no room',
    new Error('The long-running operation has failed. AllocationFailed. Allocation failed.'),
    'NO_CAPACITY',
  ],
];

suite('ARM refusals', () => {
  for (const [what, error, code] of CASES) {
    test(`${what}: ${code}`, () => {
      assert.equal(classifyArm(error, 'disk web-lun0').code, code);
    });
  }

  test('keep the platform’s code, on one line, and no query of an address', () => {
    const error = rest(400, 'BadRequest', 'The blob\nhttps://a.example/b?sv=1&sig=secret is wrong');
    assert.equal(
      classifyArm(error, 'disk web-lun0').message,
      'disk web-lun0: BadRequest: The blob https://a.example/b?… is wrong',
    );
  });

  test('of a request that asked about an operation are not the operation’s', () => {
    const aborted = Object.assign(new Error('The operation was aborted.'), { name: 'AbortError' });
    assert.equal(isOperationFailure(aborted), false);
    assert.equal(classifyArm(aborted, 'disk web-lun0').code, 'UNAVAILABLE');
  });

  test('of an operation are read from its message', () => {
    const error = new Error('The long-running operation has failed. AllocationFailed. Allocation failed. Try later.');
    assert.deepEqual(failedOperation(error), { code: 'AllocationFailed', message: 'Allocation failed. Try later.' });
    assert.ok(isCapacity(failedOperation(error)));
    assert.ok(isOperationFailure(error));
    assert.deepEqual(failedOperation(new Error('Operation was canceled')), {
      code: 'OperationFailed',
      message: 'Operation was canceled',
    });
  });
});
