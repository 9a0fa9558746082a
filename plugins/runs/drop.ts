import type { RunType } from '../api/index.js'
import { spanParameters, spans, type SpanParams } from './span.js'

/** Removes layers whole. */
export const drop: RunType<SpanParams> = {
  name: 'drop',
  version: 1,
  about: {
    summary: 'Layers removed whole; nothing is trained.',
    source: 'Depth pruning as in ShortGPT, arXiv 2403.03853.',
    pays: 'Where neighbouring layers do nearly the same. Scores of several removals do not add up.',
  },
  parameters: spanParameters(1),
  variants: (layers, entry) => spans(layers, entry, 1),
  id: ({ span }) => `drop-${span}`,
  span: ({ span }) => span,
  blocks: () => ({}),
  initialise: () => ({}),
}
