import type { Scenario } from '../model/index.js'
import { batchChoices, withBatches, type Batches, type PairScenario } from './batches.js'
import type { Target } from './inputs.js'
import type { Limit } from './limit.js'

/** A scenario of a target. */
export interface NamedScenario {
  /** Absent where the target has only one, `target.scenario`. */
  readonly name?: string
  readonly scenario: PairScenario
}

/** Parameters with the threads that scenarios are timed with: the stage's own, or those of the target. */
export const withThreads = <P extends object>(
  params: P & { readonly threads?: number },
  { threads = 1 }: Pick<Target, 'threads'>,
): P & { readonly threads: number } => ({ ...params, threads: params.threads ?? threads })

type Limits = NonNullable<Target['limits']>

/**
 * The scenarios of a target in the order of their names, at least one. Plans are stored as canonical JSON, which sorts keys: the
 * order in which a spec lists them is lost.
 * @param batches  of child and parent, where the target leaves them to the search
 */
export function scenariosOf(
  { scenario, scenarios }: Pick<Target, 'scenario' | 'scenarios'>,
  batches?: Batches,
): readonly NamedScenario[] {
  if (!scenarios) return [{ scenario: withBatches(scenario!, batches) }]
  return sorted(scenarios).map(([name, own]) => ({ name, scenario: withoutLimits(own) }))
}

/** Everything that blocks are timed in: the scenarios of a target, or its scenario at each of its batches. */
export function profiledScenarios(
  target: Pick<Target, 'scenario' | 'scenarios'>,
): readonly { readonly name?: string; readonly scenario: Scenario }[] {
  const batches = batchChoices(target)
  if (!batches) return scenariosOf(target)
  return batches.map((batch) => ({ name: `batch-${batch}`, scenario: { ...target.scenario!, batch } }))
}

const sorted = <T>(scenarios: Readonly<Record<string, T>>): [string, T][] =>
  Object.entries(scenarios).sort(([a], [b]) => (a < b ? -1 : 1))

const withoutLimits = ({ limits: _, ...scenario }: Scenario & { readonly limits?: unknown }): Scenario => scenario

/** The limits of a target, in the order of the spec. */
export function limitsOf({ limits = {}, scenarios }: Pick<Target, 'limits' | 'scenarios'>): Limit[] {
  if (!scenarios) return listed(limits)
  return sorted(scenarios).flatMap(([name, own], index) =>
    listed(own.limits ?? {}).map((limit) => ({ ...limit, scenario: { name, index } })),
  )
}

const listed = (limits: Limits): Limit[] =>
  Object.entries(limits).map(([name, limit]) => ({ ...limit, name: name as Limit['name'] }))
