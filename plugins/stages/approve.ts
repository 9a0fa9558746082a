import type { GateStage } from '../../api/index.js'
import { plainMarkdown } from '../../errors/markdown.js'
import { format } from '../../report/format.js'

interface ApproveParams {
  readonly question: string
  /** Values of earlier stages that the person should see, as expressions. */
  readonly show: Readonly<Record<string, unknown>>
}

/** Waits for a person's approval, for days if necessary: `puzzleflow approve RUN STAGE`, or the update `approve` in the Temporal
 *  UI. */
export const approve: GateStage<ApproveParams> = {
  name: 'approve',
  version: 1,
  gate: true,
  reads: [],
  about: { summary: 'Asks a question, in Markdown, and waits for approval.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      question: { type: 'string', default: 'May the search go on?', description: 'The question, in Markdown.' },
      show: {
        type: 'object',
        default: {},
        description: 'Values to show with the question, by name: ${{ stages.solve.outputs.objective }}.',
      },
    },
  },

  ask: ({ params: { question, show } }) =>
    [
      question,
      ...Object.entries(show).map(
        ([name, value]) =>
          `${plainMarkdown(name)}: ${typeof value === 'number' ? format(value) : plainMarkdown(JSON.stringify(value))}.`,
      ),
    ].join(' '),
}
