/** How values on the command line are read; what is wrong is told by commander with the option's name. */
import { InvalidArgumentError } from 'commander';

/** A number of seconds above zero, fractions allowed. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0) throw new InvalidArgumentError('Give a number of seconds above zero.');
  return value;
}
