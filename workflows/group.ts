import { patched } from '@temporalio/workflow'
import { resultsSignal, type GroupResults } from './messages.js'
import { Part } from './part.js'
import { tasksOfReport } from './reports.js'
import type { GroupInput, TaskResult } from './types.js'

/** The tasks of one group (a layer's). @returns their results in their order; null where the stage was ended before */
export async function group({ group: own, total = 0, ...input }: GroupInput): Promise<(TaskResult | null)[]> {
  const count = own.tasks.length
  const size = patched('results') ? tasksOfReport(count, total) : Infinity
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
