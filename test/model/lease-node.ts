/**
 * A node in the model of leases: its guard, whose every thought is production's own, what the guard runs, what is armed
 * outside it, its clock, and the questions that it sends.
 */
import { grantOf, lastGranted, promisedBy, renewed } from '../../src/health/term/term.ts';
import {
  clocksJumped,
  guardAnswered,
  guardAsked,
  nextAction,
  noted,
  told,
  whyNotStarted,
} from '../../src/site/guard/core.ts';
import type { GuardAction, GuardEvent, GuardState } from '../../src/site/guard/core.ts';
import type { Step } from './checker.ts';
import { GONE, GROUP, KILL, OFF, PAUSE_ALLOWED, TIMES, WROTE, bootMs, nameOf, started } from './lease-world.ts';
import type { Become, Kind, Kinds, Node, Rules, State } from './lease-world.ts';

/** What can happen on the node, and to its questions on their way. */
export function* nodeSteps(rules: Rules, state: State, index: number): Kinds {
  const node = state.nodes[index];
  const name = nameOf(state, index);
  if (!node || state.calm?.site === 'dead') return;
  const become: Become = (kind, label, changed, rest = {}) => ({
    kind,
    label: `${name}: ${label}`,
    state: { ...state, ...rest, nodes: state.nodes.with(index, { ...node, ...changed }) },
  });
  if (node.application === 'dying') {
    yield become(node.dying === 0 && node.pause === 0 ? 'due' : 'may', 'what was killed is gone', GONE);
  }
  for (const [at, letter] of node.letters.entries()) {
    if (letter.answer === undefined && state.calm?.site !== 'cut') yield handled(rules, state, index, at);
  }
  if (node.pause > 0) return;
  if (node.application !== 'gone' && node.isReplaced)
    yield become('may', 'the application writes', {}, { wrong: WROTE });
  const pause = rules.unsafe.pause ?? (rules.bounds.isSteady ? 0 : PAUSE_ALLOWED);
  if (node.mayPause && pause > 0) {
    yield become('fault', 'paused', { pause, mayPause: false });
  }
  if (isKillDue(rules, state, node)) yield become('due', 'killed from outside', killed(node));
  const { left } = state;
  if (left.reboots > 0) {
    const off = { ...OFF, record: { ...node.record, keptTerm: 0 }, isByHand: false, byHandTicks: 0 };
    yield become('fault', 'reboots', off, { left: { ...left, reboots: left.reboots - 1 } });
  }
  if (left.handStarts > 0 && node.application === 'gone') {
    const byHand = { application: 'up', isByHand: true, isReplaced: false } as const;
    const rest = { left: { ...left, handStarts: left.handStarts - 1 } };
    yield become('fault', 'somebody starts the application by hand', byHand, rest);
  }
  const { guard } = node;
  if (guard === undefined) {
    yield become('soon', 'the guard starts', { guard: started(node.record, node), letters: [] });
    return;
  }
  if (left.deaths > 0) {
    const rest = { left: { ...left, deaths: left.deaths - 1 } };
    yield become('fault', 'the guard dies', { guard: undefined, letters: [] }, rest);
  }
  if (left.jumps > 0) {
    const jumped = clocksJumped(guard, bootMs(state, node));
    yield become('fault', 'the wall clock jumps', { guard: jumped }, { left: { ...left, jumps: left.jumps - 1 } });
  }
  yield* asking(rules, state, name, node, guard, become);
  yield* acting(rules, state, node, guard, become);
}

function isKillDue(rules: Rules, state: State, node: Node): boolean {
  if (rules.unsafe.noGuard === true || node.application !== 'up' || node.armedBootMs === 0) return false;
  return bootMs(state, node) >= node.armedBootMs;
}

function* asking(rules: Rules, state: State, name: string, node: Node, guard: GuardState, become: Become): Kinds {
  const nowBootMs = bootMs(state, node);
  if (node.askedBootMs !== nowBootMs) yield become('soon', 'asks', oneMore(state, name, node, guard));
  for (const { answer } of node.letters) {
    if (answer === undefined || state.calm?.site === 'cut') continue;
    const letters = node.letters.filter((letter) => letter.answer !== answer);
    // The record is durable before anything is done in a term that is newer than those seen.
    const record = noted(node.record, { seenTerm: answer.term });
    const heard = { guard: guardAnswered(guard, answer, answer.closing), letters, record };
    const isStale = answer.after !== undefined;
    const what = answer.granted ? `hears of a lease in term ${answer.term}` : `is refused in term ${answer.term}`;
    // Told what its question has to name, it asks again.
    const again = isStale ? oneMore(state, name, { ...node, ...heard }, heard.guard) : {};
    yield become('soon', isStale ? 'is told what was granted last, and asks again' : what, { ...heard, ...again });
  }
}

function* acting(rules: Rules, state: State, node: Node, guard: GuardState, become: Become): Kinds {
  const tell = (event: GuardEvent): { guard: GuardState } => ({ guard: told(guard, event) });
  if (node.application === 'gone' && guard.application !== 'stopped') {
    yield become('soon', 'sees that nothing runs any more', { ...tell({ event: 'gone' }), armedBootMs: 0 });
  }
  if (node.application === 'up' && guard.application === 'stopping') {
    yield become('may', 'the application stops in order', GONE);
  }
  if (rules.unsafe.weakStopped === true && guard.isDelivered) {
    const back = { guard: { ...guard, closing: undefined, promisedTerm: 0 } };
    yield become('fault', 'takes back what it signed', back);
  }
  // A guard looks before it does anything else.
  if (node.application !== 'gone' && guard.application === 'stopped') {
    yield become('due', 'finds something that it has not started', tell({ event: 'found' }));
    return;
  }
  yield* ordered(rules, state, node, guard, become);
  const action = dueAction(state, node);
  switch (action?.do) {
    case 'arm': {
      const { untilBootMs } = action;
      yield become('due', 'arms the stop', { ...tell({ event: 'armed', untilBootMs }), armedBootMs: untilBootMs });
      break;
    }
    case 'keep': {
      const { term } = action;
      const record = noted(node.record, { keptTerm: term });
      yield become('due', `records that what it starts runs on in term ${term}`, {
        ...tell({ event: 'kept', term }),
        record,
      });
      break;
    }
    case 'start': {
      const up = { application: 'up', isReplaced: false } as const;
      const cloud = { ...state.cloud, isReplaced: state.cloud.application };
      yield become('due', 'starts the application', { ...tell({ event: 'started' }), ...up }, { cloud });
      break;
    }
    case 'stop': {
      const { deadlineBootMs, why } = action;
      yield become('due', `asks it to stop: ${why}`, tell({ event: 'asked-to-stop', deadlineBootMs }));
      break;
    }
    case 'kill':
      yield become('due', 'kills', { ...tell({ event: 'killed' }), ...killed(node) });
      break;
    case 'promise': {
      const { term } = action.closing;
      const record = noted(node.record, { promisedTerm: term });
      yield become('due', `promises for term ${term}`, { ...tell({ event: 'promised', term }), record });
      break;
    }
    case 'deliver': {
      if (state.calm?.site === 'cut') break;
      const { closing } = action;
      const name = nameOf(state, state.nodes.indexOf(node));
      const group = promisedBy(state.group, { ...closing, node: name });
      const rest = group ? { group, writtenTick: state.tick } : {};
      yield become('soon', 'its promise arrives', tell({ event: 'delivered', closing }), rest);
      break;
    }
    case 'wait':
    case undefined:
  }
}

/**
 * A single application is started, as the guard's desk does it by an order, whenever the guard finds no reason against that.
 * In the model it is all that runs on the node; where something of it runs already, and nothing comes of another start, there
 * is nothing to show.
 */
function* ordered(rules: Rules, state: State, node: Node, guard: GuardState, become: Become): Kinds {
  const { cloud } = state;
  const isNew = node.application === 'gone' || node.isReplaced || (cloud.application && !cloud.isReplaced);
  if (node.application === 'dying' || !isNew || whyNotStarted(guard, bootMs(state, node), TIMES) !== undefined) return;
  const up = { application: 'up', isReplaced: false } as const;
  const rest = { cloud: { ...cloud, isReplaced: cloud.application } };
  yield become('may', 'an order starts a single application', up, rest);
}

/** The cloud takes a question: a lease is granted after the write that renews it. */
function handled(rules: Rules, state: State, index: number, at: number): Step<State> & { kind: Kind } {
  const node = state.nodes[index];
  const letter = node?.letters[at];
  if (!node || !letter) throw new Error('no such question');
  const { group } = state;
  const { question } = letter;
  const { after, refusals } = renewed(group, [question], question.node);
  const answer = grantOf(after ?? group, question, refusals.get(question));
  // The answer to an earlier question is never heeded, nor is one that names the same granted later.
  const isNewest = node.guard?.lease.asked?.nonce === question.nonce;
  const others = node.letters.filter((other) => other !== letter);
  const letters = isNewest ? [...(after ? [] : others), { ...letter, answer }] : others;
  return {
    kind: 'soon',
    label: `the cloud ${after ? 'renews' : 'refuses'} a lease in term ${group.term}`,
    state: {
      ...state,
      ...(after && { group: after, writtenTick: state.tick }),
      nodes: state.nodes.with(index, { ...node, letters }),
    },
  };
}

/** One question more; an earlier one may still be on its way, and comes to nothing unless it may be granted. */
function oneMore(state: State, name: string, node: Node, guard: GuardState): Partial<Node> {
  const nowBootMs = bootMs(state, node);
  const nonce = String(node.questions + 1).padStart(32, '0');
  const last = lastGranted(state.group, name);
  const waiting = node.letters.filter((letter) => !letter.answer && letter.question.after === last).slice(-1);
  const question = { group: GROUP, nonce, node: name, after: guard.lease.after };
  return {
    guard: guardAsked(guard, { nonce, givenBootMs: nowBootMs }),
    letters: [...waiting, { question, answer: undefined }],
    askedBootMs: nowBootMs,
    questions: node.questions + 1,
  };
}

/** What was killed before is gone by the time of the first kill. */
function killed({ application, dying }: Node): Pick<Node, 'application' | 'dying'> {
  return application === 'up' ? { application: 'dying', dying: KILL } : { application, dying };
}

/** What the node's guard would do now; undefined where it only waits. */
function dueAction(state: State, node: Node): GuardAction | undefined {
  if (!node.guard) return undefined;
  const action = nextAction(node.guard, bootMs(state, node), TIMES);
  return action.do === 'wait' ? undefined : action;
}
