import { describeShare } from '../errors/amounts.js'
import type { Result } from '../report/markdown.js'

type Measured = Pick<Result, 'ratios'> & {
  readonly parent: Pick<Result['parent'], 'perplexity'>
  readonly child: Pick<Result['child'], 'perplexity'>
}

/**
 * What a child is, relative to its parent: `The child: 2.53x the throughput, 34.9 % of the memory, 36.7 % of the parameters; 99.7 % of
 * the accuracy, 1.01x the perplexity.`
 * @returns undefined of what is no result of a search
 */
export function headline(result: unknown): string | undefined {
  const { ratios, parent, child } = (result ?? {}) as Partial<Measured>
  if (!ratios || !parent || !child) return undefined
  const size = [
    `${ratios.throughput.toFixed(2)}x the throughput`,
    `${describeShare(ratios.memory)} of the memory`,
    `${describeShare(ratios.parameters)} of the parameters`,
  ]
  const quality = [
    ...(ratios.accuracy === null ? [] : [`${describeShare(ratios.accuracy)} of the accuracy`]),
    `${(child.perplexity / parent.perplexity).toFixed(3)}x the perplexity`,
  ]
  return `The child: ${size.join(', ')}; ${quality.join(', ')}.`
}
