/**
 * An explicit-state model checker: breadth first, so that the first violation that it meets has the shortest trace.
 *
 * Invariants: a state is known by its key alone, so a model's key must tell apart all that its steps depend on; what counts
 * time relative to the present gives a finite graph for histories of any length.
 *
 * Progress is checked on the stored graph, not argued: from a state in which the faults have ended, every way that things
 * can go comes to something good. So what is left of the graph without the good steps has no end and no circle, and its
 * longest way, by the model's own time, is the bound.
 */

export interface Step<State> {
  /** What happens, for people. */
  readonly label: string;
  readonly state: State;
  /** How much of the model's time it takes; nothing if left out. */
  readonly ticks?: number;
  /** Whether it is what has to come again and again, once the faults have ended. */
  readonly isGood?: boolean;
}

export interface Model<State> {
  readonly initial: readonly State[];
  key(state: State): string;
  /** All that can happen next. */
  next(state: State): Iterable<Step<State>>;
  /** What is wrong with this state, in words; undefined where all that must hold holds. */
  violation(state: State): string | undefined;
  /** Whether the faults have ended: then something good has to come of it. Without this nothing has to. */
  isCalm?(state: State): boolean;
}

export interface Checked {
  readonly states: number;
  /** Whether all states were seen that can be reached. */
  readonly isComplete: boolean;
  /** The shortest way to what is wrong, if anything is. */
  readonly violation?: { readonly what: string; readonly trace: readonly string[] };
  /** Of a complete check: how long it takes at most, from when the faults have ended, until something good comes. */
  readonly boundTicks?: number;
}

/** The states by their numbers, each with the step that it was met by first, and the steps between those that are calm. */
class Graph {
  readonly #numbers = new Map<string, number>();
  readonly #from: number[] = [];
  readonly #labels: string[] = [];
  /** Of calm states: where the steps that are not good lead to, and how long they take. */
  readonly dull = new Map<number, { readonly to: number; readonly ticks: number; readonly label: string }[]>();
  /** Calm states from which a good step leads on. */
  readonly lively = new Set<number>();

  get size(): number {
    return this.#from.length;
  }

  /** Its number, and whether it is met for the first time. */
  meet(key: string, from: number, label: string): { readonly number: number; readonly isNew: boolean } {
    const known = this.#numbers.get(key);
    if (known !== undefined) return { number: known, isNew: false };
    const number = this.#from.length;
    this.#numbers.set(key, number);
    this.#from.push(from);
    this.#labels.push(label);
    return { number, isNew: true };
  }

  traceTo(number: number): string[] {
    const trace: string[] = [];
    for (let at = number; at >= 0; at = this.#from[at] ?? -1) trace.push(this.#labels[at] ?? '');
    return trace.reverse();
  }
}

/** Looks at every state that can be reached, or at `statesMax` of them; ends at the first violation. */
export function check<State>(model: Model<State>, statesMax: number): Checked {
  const graph = new Graph();
  let frontier: { readonly number: number; readonly state: State }[] = [];
  const meet = (state: State, from: number, label: string): { number: number; what: string | undefined } => {
    const { number, isNew } = graph.meet(model.key(state), from, label);
    if (isNew) frontier.push({ number, state });
    return { number, what: isNew ? model.violation(state) : undefined };
  };
  const wrong = (what: string, number: number): Checked => ({
    states: graph.size,
    isComplete: false,
    violation: { what, trace: graph.traceTo(number) },
  });
  for (const state of model.initial) {
    const { number, what } = meet(state, -1, 'begin');
    if (what !== undefined) return wrong(what, number);
  }
  while (frontier.length > 0) {
    const layer = frontier;
    frontier = [];
    for (const { number, state } of layer) {
      const isCalm = model.isCalm?.(state) === true;
      const dull = [];
      for (const { label, state: after, ticks = 0, isGood = false } of model.next(state)) {
        const met = meet(after, number, label);
        if (met.what !== undefined) return wrong(met.what, met.number);
        if (graph.size >= statesMax) return { states: graph.size, isComplete: false };
        if (!isCalm) continue;
        if (isGood) graph.lively.add(number);
        else dull.push({ to: met.number, ticks, label });
      }
      if (isCalm) graph.dull.set(number, dull);
    }
  }
  return progress(graph);
}

/** Follows every way without anything good to its end: there must be none but a good step. */
function progress(graph: Graph): Checked {
  const { size: states } = graph;
  /** The longest way from a state until something good is the only way on; undefined while it is under way. */
  const longest = new Map<number, number | undefined>();
  for (const start of graph.dull.keys()) {
    if (longest.has(start)) continue;
    const path: { readonly at: number; next: number; ticks: number; label: string }[] = [
      { at: start, next: 0, ticks: 0, label: '' },
    ];
    longest.set(start, undefined);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const steps = graph.dull.get(top.at) ?? [];
      const failed = (what: string): Checked => ({
        states,
        isComplete: true,
        violation: { what, trace: [...graph.traceTo(start), ...path.slice(1).map(({ label }) => label)] },
      });
      if (steps.length === 0 && !graph.lively.has(top.at)) return failed('nothing can happen any more');
      const step = steps[top.next];
      if (step === undefined) {
        longest.set(top.at, top.ticks);
        path.pop();
        const before = path.at(-1);
        if (before)
          before.ticks = Math.max(before.ticks, top.ticks + (graph.dull.get(before.at)?.[before.next - 1]?.ticks ?? 0));
        continue;
      }
      top.next += 1;
      if (!longest.has(step.to)) {
        longest.set(step.to, undefined);
        path.push({ at: step.to, next: 0, ticks: 0, label: step.label });
        continue;
      }
      const known = longest.get(step.to);
      if (known === undefined) {
        path.push({ at: step.to, next: 0, ticks: 0, label: step.label });
        return failed('this goes on for ever, and nothing good comes of it');
      }
      top.ticks = Math.max(top.ticks, known + step.ticks);
    }
  }
  let boundTicks = 0;
  for (const ticks of longest.values()) boundTicks = Math.max(boundTicks, ticks ?? 0);
  return { states, isComplete: true, boundTicks };
}

/**
 * Walks at random, `walks` times `stepsMax` steps. Gives what went wrong first. `choose` gives a number from 0 up to its
 * argument.
 */
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
