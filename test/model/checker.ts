/**
 * An explicit-state model checker: breadth first, so that the first violation that it meets has the shortest trace.
 *
 * Invariant: a state is known by its key alone, so a model's key must tell apart all that its steps depend on.
 */

export interface Step<State> {
  /** What happens, for people. */
  readonly label: string;
  readonly state: State;
}

export interface Model<State> {
  readonly initial: readonly State[];
  key(state: State): string;
  /** All that can happen next. */
  next(state: State): Iterable<Step<State>>;
  /** What is wrong with this state, in words; undefined where all that must hold holds. */
  violation(state: State): string | undefined;
}

export interface Checked {
  readonly states: number;
  /** Whether all states were seen that can be reached. */
  readonly isComplete: boolean;
  /** The shortest way to what is wrong, if anything is. */
  readonly violation?: { readonly what: string; readonly trace: readonly string[] };
}

interface Known {
  readonly from: number;
  readonly label: string;
}

/** Looks at every state that can be reached, or at `statesMax` of them; ends at the first violation. */
export function check<State>(model: Model<State>, statesMax: number): Checked {
  const numbers = new Map<string, number>();
  const known: Known[] = [];
  let frontier: { readonly number: number; readonly state: State }[] = [];
  const found = (state: State, from: number, label: string): Checked['violation'] => {
    const key = model.key(state);
    if (numbers.has(key)) return undefined;
    const number = known.length;
    numbers.set(key, number);
    known.push({ from, label });
    const what = model.violation(state);
    if (what !== undefined) return { what, trace: traceOf(known, number) };
    frontier.push({ number, state });
    return undefined;
  };
  for (const state of model.initial) {
    const violation = found(state, -1, 'begin');
    if (violation) return { states: known.length, isComplete: false, violation };
  }
  while (frontier.length > 0) {
    const layer = frontier;
    frontier = [];
    for (const { number, state } of layer) {
      for (const step of model.next(state)) {
        const violation = found(step.state, number, step.label);
        if (violation) return { states: known.length, isComplete: false, violation };
        if (known.length >= statesMax) return { states: known.length, isComplete: false };
      }
    }
  }
  return { states: known.length, isComplete: true };
}

function traceOf(known: readonly Known[], number: number): string[] {
  const trace: string[] = [];
  for (let at = number; at >= 0; at = known[at]?.from ?? -1) trace.push(known[at]?.label ?? '');
  return trace.reverse();
}

/** Walks at random, `walks` times `stepsMax` steps. Gives what went wrong first. `choose` gives a number from 0 up to its argument. */
export function walk<State>(
  model: Model<State>,
  of: { readonly walks: number; readonly stepsMax: number; readonly choose: (count: number) => number },
): Checked {
  let states = 0;
  for (let count = 0; count < of.walks; count += 1) {
    let state = model.initial[of.choose(model.initial.length)];
    const trace: string[] = [];
    for (let steps = 0; state !== undefined && steps < of.stepsMax; steps += 1) {
      states += 1;
      const what = model.violation(state);
      if (what !== undefined) return { states, isComplete: false, violation: { what, trace } };
      const choices = [...model.next(state)];
      const step = choices[of.choose(choices.length)];
      if (step) trace.push(step.label);
      state = step?.state;
    }
  }
  return { states, isComplete: false };
}
