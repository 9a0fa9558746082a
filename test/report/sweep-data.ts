import type { SweepData } from '../../report/html/report-data.js'

interface Shape {
  readonly points?: number
  readonly layers?: number
  /** Whether children were measured. */
  readonly measures?: boolean
  /** Stands for every text that comes from outside. */
  readonly text?: string
}

/** A sweep's data with everything that a page can show: a point that is dominated, one with the child of another, one that
 *  cannot be met, and one that is not solved yet. */
export function sweepData({ points = 4, layers = 2, measures = true, text = 'a text' }: Shape = {}): SweepData {
  const solved = Array.from({ length: points }, (_, i) => {
    const value = 1.5 + i / 2
    const ratios = { throughput: value * 1.01, memory: 1 / value, parameters: 0.9 / value }
    return {
      ...{ value, limit: `throughput >= ${value}x of the parent`, status: 'optimal' as const },
      ...{ solutionDigest: `digest ${i}`, dominated: i === 1 },
      predicted: { kl: 0.01 * 2 ** i, reaches: value * 1.01, ratios },
      ...(measures && {
        measured: {
          ...{ kl: 0.02 * 3 ** i, perplexity: 3 + i, accuracy: 0.9 - i / 10, throughput: 100 * value },
          ...{ reaches: value, interval: [value - 0.1, value + 0.1], met: (['yes', 'open', 'no'] as const)[i % 3]! },
          ratios: { ...ratios, accuracy: 0.95 - i / 10 },
          throughputInterval: [value - 0.1, value + 0.1],
        },
      }),
      layers: Array.from({ length: layers }, () => ({ attention: i === 0 ? 'parent' : text, ffn: `swiglu-${i}` })),
    }
  })
  return {
    sweep: {
      ...{ run: text, specDigest: 'f'.repeat(64) },
      swept: { name: 'throughput', bound: 'min', unit: 'parent' },
      otherLimits: [text],
      comparedBy: measures ? 'measurement' : 'prediction',
      complete: false,
      points: [
        ...solved,
        { ...solved.at(-1)!, value: 8, limit: 'throughput >= 8x of the parent', sameAs: solved.at(-1)!.value },
        { value: 9, limit: 'throughput >= 9x of the parent', status: 'infeasible', reason: text },
        { value: 10, limit: 'throughput >= 10x of the parent', status: 'open' },
      ],
      leftOut: [{ task: text, reason: text }],
    },
    startedAt: '2026-01-01T10:00:00.000Z',
    finishedAt: '2026-01-01T10:06:40.000Z',
    spec: `name: ${text}\n`,
    command: `puzzleflow sweep ${text}`,
    versions: { puzzleflow: '0.1.0' },
    stages: [{ stage: 'sweep', seconds: 12.3, tasks: 6 }],
  }
}
