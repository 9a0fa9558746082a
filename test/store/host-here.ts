import type { Services } from '../../activities/activities.js'
import { stageEnvironment } from '../../activities/stage-environment.js'
import { Crash } from '../../activities/host.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { makeRuns } from '../../plugins/runs/index.js'
import type { Outputs, StageContext } from '../../api/index.js'
import type { Store } from '../../store/index.js'
import { loadPlugins } from './tiny-stages.js'
import { temporaryFolder } from '../temporary-folder.js'

/** Does jobs in this process, for tests that are not about processes. @param crash  the task that breaks off */
export function hostHere(store: Store, crash?: string): Services['host'] {
  return {
    run: async (job, { signal, onProgress }) => {
      const stage = loadPlugins().stage(job.stage)
      if (stage.gate || job.kind === 'ask') throw new Error('no stage here asks')
      const stages: Record<string, Outputs> = {}
      for (const [name, ref] of Object.entries(job.outputs)) stages[name] = (await store.readJson(ref)) as Outputs
      const types = { blocks: makeBlocks([]), runs: makeRuns([]) }
      const environment = stageEnvironment(job.plan, store, types, Object.keys(job.plan.inputs), () => undefined)
      const context: StageContext = { ...environment, params: {}, stages }
      const scratch = temporaryFolder('scratch')
      const running = { scratch, threads: 1, progress: onProgress, machineState: scratch, signal }
      if (job.kind === 'plan')
        return stage.plan?.(context) ?? [{ id: job.stage, label: job.stage, params: {}, inputs: {} }]
      if (job.kind === 'run') {
        const checkpoint = await store.checkpoint(job.key)
        // Breaks off after its second step, as tiny-stages.ts does in a process of its own.
        const progress = (fraction: number, text: string) => {
          onProgress(fraction, text)
          if (job.task.id === crash && fraction === 0.5) throw new Crash(crash, 'SIGKILL')
        }
        return stage.run({ ...context, ...running, checkpoint, progress, task: job.task })
      }
      const tasks = await Promise.all(
        job.tasks.map(async (plan, i) => ({
          plan,
          outputs: (await store.getRecord(job.keys[i]!))!.outputs as Outputs,
        })),
      )
      return stage.plan ? stage.gather!({ ...context, ...running, tasks, skipped: [] }) : tasks[0]!.outputs
    },
  }
}
