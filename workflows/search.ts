import { defineSearchAttributeKey } from '@temporalio/common'
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow'
import type { ArtifactRef } from '../store/store.js'
import { handleMessages } from './control.js'
import { isCancelled } from './failures.js'
import { progressQuery } from './messages.js'
import { worst } from './outcome.js'
import { progressTable } from './progress-table.js'
import { StageRun } from './stage.js'
import type { SearchInput, SearchProgress, SearchResult, StageProgress } from './types.js'

const stageKey = defineSearchAttributeKey('PuzzleStage', 'KEYWORD')
const progressKey = defineSearchAttributeKey('PuzzleProgress', 'DOUBLE')
const statusKey = defineSearchAttributeKey('PuzzleStatus', 'KEYWORD')

/** Most tasks of each stage in flight at the same time, unless the run says otherwise. */
const defaultConcurrency = 32

/** A run of a plan: every stage when those it needs are done. */
export async function search(input: SearchInput): Promise<SearchResult> {
  const stages = input.stages.map(({ name, partial }): StageProgress => ({
    stage: name,
    ...(partial && { partial }),
    state: 'waiting',
    done: 0,
    total: 0,
    reused: 0,
    seconds: 0,
    leftOut: 0,
    skipped: [],
    waiting: [],
  }))
  const pace = { paused: false, concurrency: input.concurrency ?? defaultConcurrency }
  const runs = new Map<string, StageRun>()
  const outcomeNow = () => worst(input.stages.map(({ name }) => runs.get(name)?.outcome))
  const current = (): SearchProgress => {
    const parts = stages.map((s) => (s.state === 'done' ? 1 : s.total > 0 ? s.done / (s.total + 1) : 0))
    const fraction = parts.reduce((a, b) => a + b, 0) / Math.max(1, parts.length)
    const outcome = outcomeNow()
    return { stages, fraction, ...pace, ...(outcome && { outcome }) }
  }
  setHandler(progressQuery, current, { description: 'Where every stage stands' })
  let shown = ''
  const show = (over = false) => {
    const now = current()
    setCurrentDetails(progressTable(input.run, now))
    // One that has failed, or asks, is what a person looks for.
    const busy = now.stages.filter(({ state }) => state !== 'waiting' && state !== 'done' && state !== 'cancelled')
    const names = named(busy.map(({ stage }) => stage))
    const status = statusOf(now, over)
    const text = `${names || 'none'} ${now.fraction.toFixed(2)} ${status}`
    if (text === shown) return
    shown = text
    upsertSearchAttributes([
      { key: stageKey, value: names || 'none' },
      { key: progressKey, value: Number(now.fraction.toFixed(3)) },
      { key: statusKey, value: status },
    ])
  }

  const scope = new CancellationScope()
  handleMessages({
    nodes: input.stages,
    runs,
    pace: () => pace,
    async setPace(next) {
      Object.assign(pace, next)
      const told = [...runs.values()].map((run) => run.setPace({ ...pace }))
      show()
      await Promise.all(told)
    },
  })
  show()

  const outputs = new Map<string, Promise<ArtifactRef>>(
    Object.entries(input.given).map(([name, ref]) => [name, Promise.resolve(ref)]),
  )
  const settled = await scope.run(async () => {
    for (const [i, node] of input.stages.entries()) {
      const stage = (async () => {
        const needs = await Promise.all(node.needs.map(async (name) => [name, await outputs.get(name)!] as const))
        const request = { plan: input.plan, stage: node.name, outputs: Object.fromEntries(needs) }
        const giveUp = () => scope.cancel()
        const run = new StageRun({ node, request, progress: stages[i]!, pace: { ...pace }, show, giveUp })
        runs.set(node.name, run)
        return run.run()
      })()
      outputs.set(node.name, stage)
    }
    return Promise.allSettled(outputs.values())
  })
  show(true)
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished))
  const failed = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
  // What failed by itself, not what was cancelled because of it.
  if (failed.length > 0) throw failed.find((error) => !isCancelled(error)) ?? failed[0]!
  const entries = await Promise.all([...outputs].map(async ([name, ref]) => [name, await ref] as const))
  const outcome = outcomeNow()
  return { ...(outcome && { outcome }), outputs: Object.fromEntries(entries) }
}

/** Stages that a search attribute names: it holds no more. */
const mostNamed = 10

function named(stages: readonly string[]): string {
  const more = stages.length - mostNamed
  return stages.slice(0, mostNamed).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

/** For lists of runs: what a person has to know first. */
function statusOf({ stages, paused, outcome }: SearchProgress, over: boolean): string {
  if (stages.some(({ state }) => state === 'failed')) return over ? 'failed' : 'failing'
  if (over && !stages.every(({ state }) => state === 'done')) return 'cancelled'
  if (over) return outcome?.ok === false ? outcome.status : 'done'
  if (stages.some(({ waiting }) => waiting.length > 0)) return 'needs a decision'
  if (stages.some(({ state }) => state === 'asking')) return 'needs approval'
  return paused ? 'paused' : 'running'
}
