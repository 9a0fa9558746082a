/** An interval that contains the true median, but for the stated error on either side. */
export interface Interval {
  readonly low: number
  readonly high: number
}

/** P(X >= k) of n tosses of a fair coin. */
export function coinTail(n: number, k: number): number {
  // Logarithms: the coefficients of a few hundred tosses are beyond a float64's range.
  let log = -n * Math.LN2
  let sum = k <= 0 ? Math.exp(log) : 0
  for (let i = 1; i <= n; i++) {
    log += Math.log((n - i + 1) / i)
    if (i >= k) sum += Math.exp(log)
  }
  return Math.min(1, sum)
}

/**
 * The interval between two order statistics that the sign test does not rule out: it assumes independent values and nothing
 * about their distribution, so bursts of noise widen it and do not shift it.
 * @param values  at least one
 * @param error   probability, on either side, that the median lies outside
 * @returns infinite on both sides where there are too few values for so small an error
 * @source Conover, Practical Nonparametric Statistics, section 3.2
 */
export function medianInterval(values: readonly number[], error: number): Interval {
  const sorted = [...values].sort((a, b) => a - b)
  const n = sorted.length
  // The largest k such that k values at least must lie on either side of the median.
  let k = 0
  while (k < n / 2 && coinTail(n, n - k) <= error) k++
  return k === 0 ? { low: -Infinity, high: Infinity } : { low: sorted[k - 1]!, high: sorted[n - k]! }
}

/** The fewest values of which `medianInterval` says anything. */
export const fewestFor = (error: number): number => Math.ceil(-Math.log2(error))
