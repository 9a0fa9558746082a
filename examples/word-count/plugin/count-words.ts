import { readFile } from 'node:fs/promises'
import type { FanOutStage } from 'puzzleflow/plugin'
import { add, count, wordsOf, type Counts } from './words.js'

/** Counts the words of each chunk in a task of its own, then adds them up. */
export const countWords: FanOutStage<{ readonly letters: number }> = {
  name: 'count-words',
  version: 1,
  reads: [],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      letters: { description: 'Shorter words do not count.', type: 'integer', minimum: 1, default: 1 },
    },
  },

  /** A task sees its own parameters and inputs only, and they are all that its key depends on. */
  async plan({ params, stages }) {
    return Object.entries(stages.split!.files).map(([name, chunk]) => ({
      id: name,
      label: `words of ${name}`,
      group: 'chunks',
      params: { letters: params.letters },
      inputs: { chunk },
    }))
  },

  async run(context) {
    const { params, inputs } = context.task
    const text = await readFile(await context.open(inputs.chunk!), 'utf8')
    const words = wordsOf(text).filter((word) => [...word].length >= (params.letters as number))
    return { values: { words: words.length }, files: { counts: await context.put('counts', count(words)) } }
  },

  async gather(context) {
    const all: Counts[] = []
    for (const { outputs } of context.tasks)
      all.push(JSON.parse(await readFile(await context.open(outputs.files.counts!), 'utf8')) as Counts)
    const counts = add(all)
    const words = Object.values(counts).reduce((a, b) => a + b, 0)
    return {
      values: { words, distinct: Object.keys(counts).length },
      files: { counts: await context.put('counts', counts) },
    }
  },
}
