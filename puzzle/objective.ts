import type { Comparison } from '../model/index.js'

/** By what scores judge a changed model, in the order of the documentation. */
export const objectiveNames = ['kl', 'loss', 'hidden-state-error', 'accuracy'] as const
export type ObjectiveName = (typeof objectiveNames)[number]

/** An objective as scores were measured by it. */
export type Objective = {
  readonly name: ObjectiveName
  readonly direction: 'minimise' | 'maximise'
  /** The parent's value: nats per token, share of the power of hidden states, or share of items. */
  readonly parent: number
}

/** A changed model by an objective: the parent's value, and by how much the changed model is worse, which solvers minimise. */
export type Judgement = {
  readonly parent: number
  readonly degradation: number
}

/** For people. */
export const objectiveLabels: Readonly<Record<ObjectiveName, string>> = {
  kl: 'KL',
  loss: 'loss for the next token',
  'hidden-state-error': 'error of the last hidden state',
  accuracy: 'mean accuracy on tasks',
}

/** Declares an objective. */
export const declared = (name: ObjectiveName, parent: number): Objective => ({
  name,
  direction: name === 'accuracy' ? 'maximise' : 'minimise',
  parent,
})

/** Share of the KL that decides between children of the same accuracy. */
const tieBreak = 1e-3

/**
 * Judges a changed model.
 * @param accuracy  mean accuracies on tasks, needed for the objective `accuracy`. Many changes have the same: a thousandth of
 *                  the KL is added to the degradation
 */
export function judged(
  objective: ObjectiveName,
  { kl, loss, parentLoss, error, power, tokens, targets }: Comparison,
  accuracy?: { readonly parent: number; readonly child: number },
): Judgement {
  switch (objective) {
    case 'kl':
      return { parent: 0, degradation: kl / tokens }
    case 'loss':
      return { parent: parentLoss / targets, degradation: (loss - parentLoss) / targets }
    case 'hidden-state-error':
      return { parent: 0, degradation: error / power }
    case 'accuracy':
      if (!accuracy) throw new Error('Internal error: accuracy was not measured')
      return { parent: accuracy.parent, degradation: accuracy.parent - accuracy.child + (tieBreak * kl) / tokens }
  }
}
