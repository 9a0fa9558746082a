import type { RunType, Weights } from '../../api/index.js'
import { spanParameters, spans, type SpanParams } from './span.js'

/** Averages consecutive layers into one. */
export const merge: RunType<SpanParams> = {
  name: 'merge',
  version: 1,
  about: {
    summary: 'Merges consecutive layers of the same kind into one.',
    initialisation: 'The mean of their weights, norms included.',
    pays: 'If consecutive layers are similar; training does most of the work.',
  },
  parameters: spanParameters(2),
  variants: (layers, entry) => spans(layers, entry, 2),
  id: ({ span }) => `merge-${span}`,
  span: ({ span }) => span,
  blocks(run) {
    const [first] = run
    const kind = ({ attention, ffn }: (typeof run)[number]) => JSON.stringify([attention, ffn])
    return run.every((layer) => kind(layer) === kind(first!))
      ? { attention: first!.attention, ffn: first!.ffn }
      : undefined
  },
  initialise: (weights) => ({
    attention: mean(weights.map(({ attention }) => attention)),
    ffn: mean(weights.map(({ ffn }) => ffn)),
  }),
}

function mean(all: readonly Weights[]): Weights {
  return Object.fromEntries(
    Object.entries(all[0]!).map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((_, i) => all.reduce((sum, weights) => sum + weights[name]!.data[i]!, 0) / all.length) },
    ]),
  )
}
