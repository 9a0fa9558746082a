import { Failure, grid, type BlockType, type LayerFacts, type Weight } from '../api/index.js'
import { gated } from './activations.js'
import { affine } from './affine.js'
import { channelsByElimination, tokensForChannels } from './channels.js'
import { largest } from './contribution.js'
import { countOrShare } from './counts.js'
import { pickColumns, pickRows } from './picking.js'

export interface SwigluParams {
  readonly [key: string]: number | string
  readonly width: number
}

/** How channels are chosen, where it is not by their contribution beside all others. */
const iterative = 'iterative'

/** Gated feed-forward network (arXiv 2002.05202): W_down (silu(W_gate x) * W_up x), or with the parent's other activation. */
export const swiglu: BlockType<SwigluParams> = {
  name: 'swiglu',
  slot: 'ffn',
  version: 1,
  about: {
    summary: 'The gated FFN with fewer channels.',
    initialisation:
      'The channels that contribute most on calibration text; with `channels: iterative` they are removed one by one, contributions counted anew each time.',
    source: 'Shazeer 2020, arXiv 2002.05202, eq. 6; channel contribution: Puzzle, arXiv 2411.19146, appendix A.',
    pays: 'Nearly everywhere: time and weights shrink with the width. `iterative` where channels do the same as others; it costs seconds and memory of width² numbers.',
  },
  parameters: {
    type: 'object',
    required: ['width'],
    additionalProperties: false,
    properties: {
      block: { const: 'swiglu' },
      width: {
        description: 'Channels kept: numbers, or percentages of the parent width (rounded to multiples of 8).',
        anyOf: [{ $ref: '#/$defs/width' }, { type: 'array', minItems: 1, items: { $ref: '#/$defs/width' } }],
      },
      channels: {
        description:
          'How channels are chosen: by what each contributes (default), or by removing the least one after the other.',
        anyOf: [{ $ref: '#/$defs/channels' }, { type: 'array', minItems: 1, items: { $ref: '#/$defs/channels' } }],
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

  /** Keeps the channels with the largest contribution (Puzzle, appendix A); without statistics, by weight norms. */
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

  forward: (g, x, w, _, { facts }) => ({ y: affine(g, gated(g, x, w, facts), w, 'down') }),
}

/** A width in channels. @throws Failure for a number that the parent cannot have */
function asChannels(width: number | string, { intermediate }: LayerFacts): number {
  if (typeof width === 'string') {
    const share = Number.parseFloat(width) / 100
    if (share > 0 && share <= 1) {
      const rounded = share === 1 ? intermediate : Math.max(8, Math.round((share * intermediate) / 8) * 8)
      // A parent's width need not be a multiple of 8.
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
