// Figures with standard errors, and what they say about a claim.
import { pairedDifference, stderrOfMean } from '../../dist/puzzle/statistics.js'

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length
const root = (values) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0))

/** Mean over tasks. @param figures  of a model */
export function accuracyOf({ tasks }) {
  const own = Object.values(tasks).map(({ values }) => values)
  return { value: mean(own.map(mean)), stderr: root(own.map(stderrOfMean)) / own.length }
}

export const klOf = ({ kl }) => ({ value: mean(kl), stderr: stderrOfMean(kl) })

/** How much better the first of two models is, on the same items and text: higher accuracy, lower KL. */
export function advantage(a, b) {
  const tasks = Object.keys(a.tasks).map((name) => pairedDifference(b.tasks[name], a.tasks[name]))
  const kl = a.kl.map((own, i) => b.kl[i] - own)
  return {
    accuracy: {
      value: mean(tasks.map(({ value }) => value)),
      stderr: root(tasks.map(({ stderr }) => stderr)) / tasks.length,
    },
    kl: { value: mean(kl), stderr: stderrOfMean(kl) },
  }
}

/** One figure of several seeds, or of several children: the larger of the error within and the one between them. */
export function pooled(estimates) {
  const n = estimates.length
  const within = root(estimates.map(({ stderr }) => stderr)) / n
  const between = n > 1 ? stderrOfMean(estimates.map(({ value }) => value)) : 0
  return { value: mean(estimates.map(({ value }) => value)), stderr: Math.max(within, between) }
}

/** Errors that a difference must exceed to count. */
const errors = 2

/** What a difference says about the claim that it is positive. */
export function verdict({ value, stderr }) {
  if (Math.abs(value) <= errors * stderr) return 'within noise'
  return value > 0 ? 'holds' : 'does not hold'
}

/** How much better children of one arm are than those of another, each with those of the same seed that are as far. */
export const advantages = (ours, theirs, when) =>
  ours.flatMap((own) =>
    theirs
      .filter((other) => other.seed === own.seed && own[when] && other[when])
      .map((other) => advantage(own[when], other[when])),
  )

/**
 * What the arms of a table say about a claim.
 * @param arms  children by arm, of all seeds and random choices: their seed and figures, `{ seed, before, after }`, the latter
 *              when they are uptrained; or `{ reason }` where the method finds no child
 */
export function judge({ better, worse, when, measure }, arms) {
  const [a, b] = [arms[better], arms[worse]]
  if (!a || !b) return { verdict: 'not run' }
  if (a.reason !== undefined) return { verdict: 'does not hold', note: `no child of ${better}: ${a.reason}` }
  if (b.reason !== undefined) return { verdict: 'holds', note: `no child of ${worse}: ${b.reason}` }
  const all = advantages(a, b, when)
  if (all.length === 0) return { verdict: 'not run' }
  const difference = pooled(all.map((own) => own[measure]))
  if (difference.value === 0 && difference.stderr === 0) return { verdict: 'within noise', note: 'the same child' }
  return { verdict: verdict(difference), difference }
}
