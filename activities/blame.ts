import type { TaskPlan } from '../api/index.js'
import type { FrozenPlan, PlannedPlugin, PlannedStage } from '../spec/frozen-plan.js'
import { ChildFailure } from '../errors/child-failure.js'
import { traitsOf } from '../errors/kinds.js'
import { Crash } from './host.js'

/** Plugins whose code a stage runs when it plans or gathers, or does a task: the stage's own, and those of block and run types. */
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

/** A failure that says whose code was at work: in it, or beside it. */
export function blaming(error: unknown, what: string, plugins: readonly PlannedPlugin[]): unknown {
  if (plugins.length === 0 || !(error instanceof ChildFailure || error instanceof Crash)) return error
  const { type, remedy, file, stack, final } = error as Partial<ChildFailure>
  const traits = traitsOf(type ?? error.name)
  if (traits?.blamesPlugin === false) return error
  const names = plugins.map(({ name, version }) => `${name} ${version}`).join(', ')
  const whose = `plugin${plugins.length > 1 ? 's' : ''} ${names}`
  const message = `${error.message.startsWith(what) ? '' : `${what}: `}${error.message} (with code of ${whose})`
  const more = `If it is the fault of ${whose}, tell its author, or leave out what needs it.`
  const first = remedy ?? traits?.remedy
  const whole = { message, remedy: first === undefined ? more : `${first} ${more}` }
  // How often it is tried again depends on its kind.
  if (error instanceof Crash) return Object.assign(new Crash(what, null), { ...whole, stack })
  return new ChildFailure(type ?? 'TaskError', message, { remedy: whole.remedy, file, stack, final: final ?? false })
}
