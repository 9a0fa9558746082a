import { readFile } from 'node:fs/promises'
import type { SingleStage } from 'puzzleflow/plugin'
import { ranked, type Counts } from './words.js'

/** The most frequent words, as JSON and as a page: `result.json` and `report.md` of the run. */
export const wordReport: SingleStage<{ readonly top: number }> = {
  name: 'word-report',
  version: 1,
  reads: [],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: { top: { description: 'Words that are shown.', type: 'integer', minimum: 1, default: 10 } },
  },

  async run(context) {
    const { split, count } = context.stages
    const counts = JSON.parse(await readFile(await context.open(count!.files.counts!), 'utf8')) as Counts
    const words = ranked(counts)
      .slice(0, context.params.top)
      .map(([word, times]) => ({ word, times }))
    const result = { ...split!.values, ...count!.values, top: words }
    const rows = words.map(({ word, times }) => `| ${word} | ${times} |`)
    const page = ['# Words', '', '| word | times |', '| --- | ---: |', ...rows, ''].join('\n')
    return {
      values: result,
      files: {
        result: await context.put('result', result),
        'report.md': await context.put('report', Buffer.from(page)),
      },
    }
  },
}
