import type { Command } from 'commander'
import { describeLeft } from '../../workflows/remaining.js'
import type { StageProgress } from '../../workflows/types.js'
import { action } from '../action.js'
import { exitCodes } from '../exit-codes.js'
import { follow } from '../follow.js'
import { readStore } from '../open-store.js'
import { common, following, type Common } from '../options.js'
import { notAccepted } from '../outcome.js'
import { log, print, printJson, tableWidth } from '../output.js'
import { decisions } from '../progress/summary.js'
import { watcherFor, type Loudness } from '../progress/watcher.js'
import { statesOf, type RunState } from '../run-state.js'
import { runTable, tabbed } from '../run-table.js'
import { readRun } from '../runs.js'
import { pageOfRuns, uiAddressHere } from '../ui-pages.js'
import { findServer } from '../with-server.js'

/** What runs and ran. */
export function statusCommands(program: Command): void {
  common(program.command('list').description('list all runs of the store')).action(
    action(async (options: Common) => {
      const states = await statesOf(undefined, options)
      if (options.json) return printJson(states)
      for (const line of heads(states)) print(line)
      const ui = await uiAddressHere(options)
      if (ui !== undefined && states.length > 0) log(`Temporal UI: ${pageOfRuns(ui)}`)
    }),
  )
  common(program.command('status [run]').description('show where a run stands, or where all runs stand')).action(
    action(async (run: string | undefined, options: Common) => {
      const states = await statesOf(run, options)
      if (options.json) printJson(run === undefined ? states : states[0])
      else for (const state of states) for (const line of describe(state)) print(line)
    }),
  )
  const watch = program
    .command('watch <run>')
    .description('follow a run to its end; Ctrl-C stops watching, not the run')
  following(common(watch)).action(
    action(async (run: string, options: Common & Loudness) => {
      const store = await readStore(options)
      await readRun(store, run)
      process.once('SIGINT', () => process.exit(exitCodes.Cancelled))
      const address = async () => (await findServer(options)).address
      const watcher = watcherFor(store, run, options)
      notAccepted(await follow(store, run, await address(), address, { watcher }))
      const [state] = await statesOf(run, options)
      if (options.json) printJson(state)
      else for (const line of describe(state!)) print(line)
    }),
  )
}

/** A line for each run: a table at a terminal. */
const heads = (states: readonly RunState[]): string[] => {
  const width = tableWidth()
  return width === undefined ? states.map(tabbed) : states.length > 0 ? runTable(states, width, Date.now()) : []
}

function describe(state: RunState): string[] {
  const { progress, failure, run, outcome } = state
  const lines = heads([state])
  if (outcome) lines.push(`  ${outcome.text}`)
  if (failure !== undefined) lines.push(...failure.split('\n').map((line) => `  ${line}`))
  for (const stage of progress?.stages ?? []) lines.push(...describeStage(run, stage, progress!.paused))
  return lines
}

function describeStage(run: string, stage: StageProgress, isPaused: boolean): string[] {
  const { done, total, reused, leftOut, secondsLeft } = stage
  const state = isPaused && stage.state === 'running' ? 'paused' : stage.state
  const left = leftOut > 0 ? `, ${leftOut} left out` : ''
  const counts = total > 0 ? `${done}/${total}${reused > 0 ? ` (${reused} reused${left})` : left}` : ''
  const time = secondsLeft === undefined || done === total || isPaused ? '' : ` ${describeLeft(secondsLeft)}`
  return [
    `  ${stage.stage.padEnd(16)} ${state.padEnd(8)} ${counts}${time}`.trimEnd(),
    ...decisions(run, stage).map((line) => `    ${line}`),
  ]
}
