import type { Result } from '../report/markdown.js'

type Measured = Pick<Result, 'ratios'> & {
  readonly parent: Pick<Result['parent'], 'perplexity'>
  readonly child: Pick<Result['child'], 'perplexity'>
}

/**
 * What a child is, relative to its parent: `The child: 2.53x the throughput, 35 % of the memory, 37 % of the parameters; 99.7 % of
 * the accuracy, 1.01x the perplexity.`
 * @returns undefined of what is no result of a search
 */
export function headline(result: unknown): string | undefined {
  const { ratios, parent, child } = (result ?? {}) as Partial<Measured>
  if (!ratios || !parent || !child) return undefined
  const size = [
    `${ratios.throughput.toFixed(2)}x the throughput`,
    `${percent(ratios.memory)} of the memory`,
    `${percent(ratios.parameters)} of the parameters`,
  ]
  const quality = [
    ...(ratios.accuracy === null ? [] : [`${percent(ratios.accuracy, 1)} of the accuracy`]),
    `${(child.perplexity / parent.perplexity).toFixed(3)}x the perplexity`,
  ]
  return `The child: ${size.join(', ')}; ${quality.join(', ')}.`
}

const percent = (share: number, digits = 0): string => `${(100 * share).toFixed(digits)} %`
