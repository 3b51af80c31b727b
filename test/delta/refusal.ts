/** What a delta is refused with. */
import assert from 'node:assert/strict';
import { isLeewardError } from '../../src/kernel/errors.ts';

/** For `assert.throws`: one line that matches `message`, under the code that says whether a limit was exceeded. */
export function refusal(message: RegExp): (error: unknown) => true {
  return (error) => {
    assert(isLeewardError(error), String(error));
    assert.match(error.message, message);
    assert.equal(error.code, / above the limit of \d/.test(error.message) ? 'LIMIT_EXCEEDED' : 'DELTA_INVALID');
    return true;
  };
}
