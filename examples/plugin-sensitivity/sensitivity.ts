import { readFile } from 'node:fs/promises'
import { Failure, type SingleStage } from 'puzzleflow/plugin'
import { csv, page, ranking, type Measure, type Score } from './ranking.js'

interface Params {
  readonly by: Measure
  readonly variant?: string
  readonly top: number
}

/** Which layers the model can least do without, as `sensitivity.csv` and `sensitivity.md` of the run. */
export const sensitivity: SingleStage<Params> = {
  name: 'sensitivity',
  version: 1,
  about: { summary: 'Ranks the blocks of the parent by the effect of replacing them: which layers are sensitive.' },
  // Nothing of the spec: all comes from the stage before.
  reads: [],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      by: { description: 'What is compared.', enum: ['kl', 'lossDelta', 'nmse'], default: 'kl' },
      variant: { description: 'Only this variant counts: `no-op` shows what a block is worth.', type: 'string' },
      top: { description: 'Rows of the page; the CSV has all.', type: 'integer', minimum: 1, default: 20 },
    },
  },

  async run(context) {
    const { params, stages } = context
    const scores = stages.score?.files.scores
    if (!scores)
      throw new Failure('InvalidInput', 'The stage `sensitivity` does not get the scores', {
        remedy: 'Write `needs: [score]`.',
      })
    const rows = JSON.parse(await readFile(await context.open(scores), 'utf8')) as readonly Score[]
    const places = ranking(rows, params.by, params.variant)
    if (places.length === 0)
      throw new Failure('InvalidInput', `No layer has a score${params.variant ? ` of "${params.variant}"` : ''}`, {
        remedy: 'See `npx puzzleflow scores RUN` for the variants there are.',
      })
    const text = (content: string) => context.put('report', new TextEncoder().encode(content))
    return {
      values: { by: params.by, most: place(places[0]!), least: place(places.at(-1)!) },
      files: {
        'sensitivity.csv': await text(csv(places)),
        'sensitivity.md': await text(page(places, params.by, params.top)),
      },
    }
  },
}

const place = ({ layer, slot }: { layer: number; slot: string }) => ({ layer, slot })
