/** For `assert.rejects`: accepts a LeewardError of one of `codes`, and no other. */
import assert from 'node:assert/strict';
import { isLeewardError } from '../../src/kernel/errors.ts';
import type { ErrorCode } from '../../src/kernel/errors.ts';

export function failsWith(...codes: ErrorCode[]): (error: unknown) => true {
  return (error) => {
    assert(isLeewardError(error, ...codes), `expected ${codes.join(' or ')}, got ${String(error)}`);
    assert(!error.message.includes('\n'), `more than one line: ${error.message}`);
    return true;
  };
}
