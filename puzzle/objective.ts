import type { Comparison } from '../model/index.js'

/** What scores measure of a changed model. */
export type ObjectiveName = 'kl' | 'loss' | 'hidden-state-error' | 'accuracy'

/** An objective: the solver minimises the degradation, the amount by which a changed model is worse than the parent. */
export interface Objective {
  readonly direction: 'minimise' | 'maximise'
  readonly unit: string
  /** For people: `KL(parent || child)`. */
  readonly label: string
}

/** The objectives by name, in the order of the documentation. */
export const objectives: Readonly<Record<ObjectiveName, Objective>> = {
  kl: { direction: 'minimise', unit: 'nats per token', label: 'KL(parent || child)' },
  loss: { direction: 'minimise', unit: 'nats per token', label: 'loss for the next token' },
  'hidden-state-error': {
    direction: 'minimise',
    unit: 'of the parent’s power',
    label: 'normalised squared error of the hidden state before the last norm',
  },
  accuracy: { direction: 'maximise', unit: 'share of items', label: 'mean accuracy on the tasks' },
}

/** An objective as scores were measured by it. */
export type DeclaredObjective = {
  readonly name: ObjectiveName
  readonly direction: Objective['direction']
  /** The parent's own value. */
  readonly parent: number
}

/** The parent's value of an objective, and by how much a compared model is worse. */
export function judged(
  objective: Exclude<ObjectiveName, 'accuracy'>,
  { kl, loss, parentLoss, error, power, tokens, targets }: Comparison,
): { readonly parent: number; readonly degradation: number } {
  switch (objective) {
    case 'kl':
      return { parent: 0, degradation: kl / tokens }
    case 'loss':
      return { parent: parentLoss / targets, degradation: (loss - parentLoss) / targets }
    case 'hidden-state-error':
      return { parent: 0, degradation: error / power }
  }
}
