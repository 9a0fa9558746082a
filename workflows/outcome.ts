import type { Outcome } from '../api/outcome.js'

/** The outcome of a run, of those of its stages in their order: the first that is not well, or else the last. */
export const worst = (outcomes: readonly (Outcome | undefined)[]): Outcome | undefined =>
  outcomes.find((own) => own?.ok === false) ?? outcomes.findLast((own) => own !== undefined)
