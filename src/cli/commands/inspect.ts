/** `leeward inspect delta|vhd`: says what a file is, and everything that is wrong with it. For the worst day. */
import { open, stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { describeDelta } from '../../delta/describe.ts';
import { DELTA_LIMITS } from '../../delta/limits.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { VHD_FOOTER_BYTES, describeFooter } from '../../vhd/footer.ts';
import { EXIT } from '../exit-codes.ts';
import { outputOf } from '../globals.ts';

export function addInspect(program: Command): void {
  const inspect = program.command('inspect').description('look into a file and say what is wrong with it');
  inspect
    .command('delta')
    .argument('<file>', 'an encoded delta')
    .description('print a delta: its place in the chain, what it sets and refers to, and what is wrong with it')
    .action(async (file: string, _options: unknown, command: Command) => {
      const sizeBytes = await sizeOf(file);
      if (sizeBytes > DELTA_LIMITS.encodedBytesMax) {
        throw new LeewardError(
          'USAGE',
          `${shown(file)} has ${sizeBytes} bytes; a delta has at most ${DELTA_LIMITS.encodedBytesMax}`,
        );
      }
      const description = describeDelta(await readRange(file, 0, sizeBytes));
      report(command, file, description, validity(description.outsideCount ?? 0));
    });
  inspect
    .command('vhd')
    .argument('<file>', 'a fixed VHD')
    .description("print a VHD's footer and what is wrong with it, for Azure too")
    .action(async (file: string, _options: unknown, command: Command) => {
      const sizeBytes = await sizeOf(file);
      const footer = await readRange(
        file,
        Math.max(0, sizeBytes - VHD_FOOTER_BYTES),
        Math.min(sizeBytes, VHD_FOOTER_BYTES),
      );
      report(command, file, describeFooter(footer, sizeBytes));
    });
}

/** What can be said of a sound delta without the content that it refers to. */
function validity(outsideCount: number): string {
  if (outsideCount === 0) return 'valid';
  const references = outsideCount === 1 ? '1 reference' : `${outsideCount} references`;
  return `valid as it was sent; only with the content of ${references} can its digest be checked`;
}

function report(
  command: Command,
  file: string,
  told: { valid: boolean; problems: readonly string[] },
  whenValid = 'valid',
): void {
  outputOf(command).result(told, () => {
    const { valid, problems, ...rest } = told;
    const verdict = valid
      ? [`${shown(file)}: ${whenValid}`]
      : [`${shown(file)}: not valid`, ...problems.map((problem) => `  ${problem}`)];
    return [...verdict, ...(Object.keys(rest).length > 0 ? [printable(rest)] : [])].join('\n');
  });
  if (!told.valid) process.exitCode = EXIT.failed;
}

/** JSON that a terminal takes for text alone: of a broken file, texts are whatever bytes were there. */
function printable(value: unknown): string {
  const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, undefined, 2).replace(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, escaped);
}

/** Without a query: what looks like a URL with access may be given by mistake, and is not repeated. */
function shown(file: string): string {
  return /^[a-z]+:\/\//i.test(file) ? file.replace(/[?#].*$/s, '') : file;
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => {
    throw new LeewardError('NOT_FOUND', `there is no file ${shown(file)}`);
  });
  if (found.isFile()) return found.size;
  throw new LeewardError('USAGE', `${shown(file)} is not a file: give one that was copied or downloaded`);
}

async function readRange(file: string, offset: number, lengthBytes: number): Promise<Uint8Array> {
  const handle = await open(file).catch((error: unknown) => {
    throw new LeewardError('USAGE', `${shown(file)} cannot be opened for reading`, { cause: error });
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(lengthBytes), 0, lengthBytes, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
