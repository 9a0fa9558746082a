import type { TaskPlan } from '../api/index.js'
import type { FrozenPlan, PlannedPlugin, PlannedStage } from '../spec/frozen-plan.js'
import { ChildFailure } from '../errors/child-failure.js'
import { traitsOf } from '../errors/kinds.js'
import { Crash } from './host.js'

/** Plugins whose code a stage runs to plan, gather or do a task: the stage's plugin, and those of block and run types. */
export function pluginsOf(
  { plugins, blocks, runs = [] }: FrozenPlan,
  planned: PlannedStage,
  task?: TaskPlan,
): readonly PlannedPlugin[] {
  const used = blocks.filter(
    ({ slot, name }) => !task?.blocks || task.blocks.some((own) => own.slot === slot && own.name === name),
  )
  const usedRuns = runs.filter(({ name }) => !task?.blocks || task.runs?.includes(name))
  const digests = new Set([planned.plugin, ...[...used, ...usedRuns].map(({ plugin }) => plugin)])
  return plugins.filter(({ digest }) => digests.has(digest))
}

/** The failure, with the plugins whose code was running when it happened. */
export function blaming(error: unknown, what: string, plugins: readonly PlannedPlugin[]): unknown {
  if (plugins.length === 0 || !(error instanceof ChildFailure || error instanceof Crash)) return error
  const { type, remedy, file, stack, final } = error as Partial<ChildFailure>
  const traits = traitsOf(type ?? error.name)
  if (traits?.blamesPlugin === false) return error
  const names = plugins.map(({ name, version }) => `${name} ${version}`).join(', ')
  const whose = `plugin${plugins.length > 1 ? 's' : ''} ${names}`
  const message = `${error.message.startsWith(what) ? '' : `${what}: `}${error.message} (running code of ${whose})`
  const more = `If the fault is in ${whose}, report it to the author, or remove what uses it.`
  const first = remedy ?? traits?.remedy
  const whole = { message, remedy: first === undefined ? more : `${first} ${more}` }
  // The kind decides how often it is retried.
  if (error instanceof Crash) return Object.assign(new Crash(what, null), { ...whole, stack })
  return new ChildFailure(type ?? 'TaskError', message, { remedy: whole.remedy, file, stack, final: final ?? false })
}
