import { proxyActivities, setCurrentDetails } from '@temporalio/workflow'
import { taskOptions } from './options.js'
import type { Activities, GroupInput, TaskDone } from './types.js'
import { inWindow } from './window.js'

/** Tasks in flight at once. */
const window = 16

/** The tasks of one group (a layer's), some at a time. */
export async function group({ group: own, node, ...request }: GroupInput): Promise<TaskDone[]> {
  let done = 0
  const show = () => setCurrentDetails(`${node.name}, ${own.name}: ${done} of ${own.tasks.length} tasks done`)
  show()
  return inWindow(own.tasks, window, async (task) => {
    const { executeTask } = proxyActivities<Activities>({
      ...taskOptions(node),
      activityId: `${node.name}/${task.id}`,
      summary: `${node.name}: ${task.label}`,
    })
    const result = await executeTask({ ...request, task })
    done++
    show()
    return result
  })
}
