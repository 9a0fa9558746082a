import { patched } from '@temporalio/workflow'
import { resultsSignal, type GroupResults } from './messages.js'
import { Part } from './part.js'
import type { GroupInput, TaskResult } from './types.js'

/** The tasks of one group (a layer's). @returns their results in their order; null where the stage was ended before */
export async function group({ group: own, ...input }: GroupInput): Promise<(TaskResult | null)[]> {
  const count = own.tasks.length
  // In ten parts at most: each is an event of the search.
  const size = patched('results') ? Math.ceil(count / 10) : Infinity
  let done = 0
  let untold: GroupResults['results'][number][] = []
  const part = new Part(input, {
    name: own.name,
    count,
    onResult: ({ id }, result) => {
      done++
      untold.push({ task: id, result })
      if (untold.length < size || done === count) return
      part.tell(resultsSignal, { stage: input.node.name, results: untold })
      untold = []
    },
  })
  return (await part.tasks.run(own.tasks)).map((result) => result ?? null)
}
