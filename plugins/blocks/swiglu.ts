import { Failure, grid, type BlockType, type LayerFacts, type Weight } from '../../api/index.js'
import { gated } from './activations.js'
import { affine } from './affine.js'
import { channelsByElimination, tokensForChannels } from './channels.js'
import { largest } from './contribution.js'
import { countOrShare, oneOrMore } from './counts.js'
import { pickColumns, pickRows } from './picking.js'

/** Parameters of a variant of `swiglu`. */
export interface SwigluParams {
  readonly [key: string]: number | string
  readonly width: number
}

/** Value of `channels` that removes channels one by one instead of ranking them once. */
const iterative = 'iterative'

/** Gated FFN with fewer channels: W_down (act(W_gate x) * W_up x), with the parent's activation, usually SiLU. */
export const swiglu: BlockType<SwigluParams> = {
  name: 'swiglu',
  slot: 'ffn',
  version: 1,
  about: {
    summary: 'The gated FFN with fewer channels.',
    initialisation:
      'Keeps the channels that contribute most on calibration text; `channels: iterative` removes one channel at a time and recomputes the contributions.',
    source: 'Shazeer 2020, arXiv 2002.05202, eq. 6; channel contribution: Puzzle, arXiv 2411.19146, appendix A.',
    pays: 'Almost everywhere: time and weights shrink with the width. `iterative` helps if channels are redundant; it takes seconds and memory for width² numbers.',
  },
  parameters: {
    type: 'object',
    required: ['width'],
    additionalProperties: false,
    properties: {
      block: { const: 'swiglu' },
      width: {
        description: 'Numbers of channels to keep, or percentages of the parent’s number (rounded to multiples of 8).',
        ...oneOrMore('width'),
      },
      channels: {
        description:
          'How to choose channels: by their contribution (default), or by repeatedly removing the least important one (`iterative`).',
        ...oneOrMore('channels'),
      },
    },
    $defs: {
      channels: { enum: ['contribution', iterative] },
      width: countOrShare,
    },
  },

  variants(facts, entry) {
    const widths = ([entry.width].flat() as (number | string)[]).map((w) => asChannels(w, facts))
    const width = [...new Set(widths)].filter((width) => width !== facts.intermediate)
    const channels = [entry.channels ?? 'contribution'].flat() as string[]
    return [...grid({ width, channels })].map((p) => (p.channels === iterative ? p : { width: p.width }))
  },

  id: ({ width, channels }) => `swiglu-${width}${channels === iterative ? `-${iterative}` : ''}`,
  sampleTokens: ({ channels }) => (channels === iterative ? tokensForChannels : 0),

  shapes({ hidden, mlpBias }, { width }) {
    return {
      gate: [hidden, width],
      up: [hidden, width],
      down: [width, hidden],
      ...(mlpBias && { 'gate.bias': [width], 'up.bias': [width], 'down.bias': [hidden] }),
    }
  },

  // Without statistics, channels are ranked by the norms of their rows of W_down.
  async initialise(parent, facts, { width, channels }, { channelContribution, sample }) {
    const kept =
      channels === iterative && sample
        ? await channelsByElimination(parent, facts, width, sample)
        : largest(channelContribution ?? rowNorms(parent.down!), width)
    const columns = ['gate', 'up', 'gate.bias', 'up.bias'].filter((name) => parent[name])
    return {
      ...parent,
      ...Object.fromEntries(columns.map((name) => [name, pickColumns(parent[name]!, kept)])),
      down: pickRows(parent.down!, kept),
    }
  },

  lastMatrix: 'down',
  forward: (g, x, w, _, { facts }) => ({ y: affine(g, gated(g, x, w, facts), w, 'down') }),
}

/** Resolves a width or percentage to a number of channels. @throws Failure if the parent does not have as many */
function asChannels(width: number | string, { intermediate }: LayerFacts): number {
  if (typeof width === 'string') {
    const share = Number.parseFloat(width) / 100
    if (share > 0 && share <= 1) {
      const rounded = share === 1 ? intermediate : Math.max(8, Math.round((share * intermediate) / 8) * 8)
      // The parent's width may not be a multiple of 8.
      return Math.min(rounded, intermediate)
    }
  } else if (Number.isInteger(width) && width >= 1 && width <= intermediate) return width
  throw new Failure('InvalidInput', `width ${width} is impossible: the parent's FFN has ${intermediate} channels`, {
    remedy: `Use 1 to ${intermediate}, or a percentage above 0% and up to 100%.`,
  })
}

const rowNorms = ({ shape, data }: Weight): Float32Array => {
  const [rows, columns] = shape as [number, number]
  return Float32Array.from({ length: rows }, (_, r) => Math.hypot(...data.subarray(r * columns, (r + 1) * columns)))
}
