import type { RunType } from '../../api/index.js'
import { spanParameters, spans, type SpanParams } from './span.js'

/** Removes entire layers. */
export const drop: RunType<SpanParams> = {
  name: 'drop',
  version: 1,
  about: {
    summary: 'Removes entire layers; nothing is trained.',
    source: 'Depth pruning as in ShortGPT, arXiv 2403.03853.',
    pays: 'If consecutive layers do nearly the same thing. The scores of several removals do not add up.',
  },
  parameters: spanParameters(1),
  variants: (layers, entry) => spans(layers, entry, 1),
  id: ({ span }) => `drop-${span}`,
  span: ({ span }) => span,
  blocks: () => ({}),
  initialise: () => ({}),
}
