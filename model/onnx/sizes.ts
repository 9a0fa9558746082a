/** A size that is known at run time: constant + batch * B + length * L + tokens * B * L. */
export interface Size {
  readonly constant: number
  readonly batch: number
  readonly length: number
  readonly tokens: number
}

export interface Sample {
  readonly batch: number
  readonly length: number
  readonly value: number
}

/**
 * Finds the size that has these values.
 * @param samples  first two batches and two lengths in all combinations, (b0, l0), (b1, l0), (b0, l1), (b1, l1), which
 *                 determine the coefficients; then samples that must agree with them
 * @returns undefined if no size with whole coefficients has these values
 */
export function sizeOf(samples: readonly Sample[]): Size | undefined {
  const [s00, s10, s01, s11] = samples as readonly [Sample, Sample, Sample, Sample]
  const [b, l] = [s10.batch - s00.batch, s01.length - s00.length]
  const tokens = (s11.value - s10.value - s01.value + s00.value) / (b * l)
  const batch = (s10.value - s00.value) / b - tokens * s00.length
  const length = (s01.value - s00.value) / l - tokens * s00.batch
  const constant = s00.value - batch * s00.batch - length * s00.length - tokens * s00.batch * s00.length
  const size = { constant, batch, length, tokens }
  if (!Object.values(size).every(Number.isInteger)) return undefined
  const fits = samples.every(
    (s) => s.value === constant + batch * s.batch + length * s.length + tokens * s.batch * s.length,
  )
  return fits ? size : undefined
}

export const isConstant = ({ batch, length, tokens }: Size): boolean => batch === 0 && length === 0 && tokens === 0

/** Shows a size in messages and as the name of a dimension: `2*sequence_length+1`. */
export function showSize({ constant, batch, length, tokens }: Size): string {
  const term = (n: number, name: string) => (n === 0 ? [] : [n === 1 ? name : `${n}*${name}`])
  const terms = [
    ...term(tokens, 'batch_size*sequence_length'),
    ...term(batch, 'batch_size'),
    ...term(length, 'sequence_length'),
    ...(constant === 0 ? [] : [String(constant)]),
  ]
  return terms.join('+') || '0'
}
