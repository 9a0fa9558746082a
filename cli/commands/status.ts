import type { Client } from '@temporalio/client'
import type { Command } from 'commander'
import type { Outcome } from '../../api/index.js'
import { connect, serverStatus } from '../../server/index.js'
import { describeLeft } from '../../workflows/remaining.js'
import { decisionsOn, describeTrouble } from '../../workflows/trouble.js'
import type { SearchProgress, SearchResult, StageProgress } from '../../workflows/types.js'
import { action } from '../action.js'
import { common, type Common } from '../options.js'
import { print, printJson } from '../output.js'
import { addressOf } from '../address.js'
import { explain } from '../explain.js'
import { exitCodes } from '../exit-codes.js'
import { follow, progressOf } from '../follow.js'
import { readStore } from '../open-store.js'
import { notAccepted } from '../outcome.js'
import { readRun, readRuns, type RunDocument } from '../runs.js'
import { typed } from '../typed.js'
import { findServer } from '../with-server.js'

/** Where a run stands. */
interface RunState {
  readonly run: string
  readonly name: string
  /** Temporal's word; UNKNOWN without a server, or where it has forgotten the run. */
  readonly state: string
  readonly startedAt: string
  readonly specDigest: string
  readonly progress?: SearchProgress | undefined
  /** What came of one that is done, if a stage has said so. */
  readonly outcome?: Outcome | undefined
  /** Why it failed, and what to do. */
  readonly failure?: string | undefined
}

/** What runs and ran. */
export function statusCommands(program: Command): void {
  common(program.command('list').description('list all runs of the store')).action(
    action(async (options: Common) => {
      const states = await statesOf(undefined, options)
      if (options.json) printJson(states)
      else for (const state of states) print(head(state))
    }),
  )
  common(program.command('status [run]').description('show where a run stands, or all of them')).action(
    action(async (run: string | undefined, options: Common) => {
      const states = await statesOf(run, options)
      if (options.json) printJson(run === undefined ? states : states[0])
      else for (const state of states) for (const line of describe(state)) print(line)
    }),
  )
  common(
    program.command('watch <run>').description('follow a run to its end; Ctrl-C stops watching, not the run'),
  ).action(
    action(async (run: string, options: Common) => {
      const store = await readStore(options)
      await readRun(store, run)
      process.once('SIGINT', () => process.exit(exitCodes.Cancelled))
      const address = async () => (await findServer(options)).address
      notAccepted(await follow(store, run, await address(), address))
      const [state] = await statesOf(run, options)
      if (options.json) printJson(state)
      else for (const line of describe(state!)) print(line)
    }),
  )
}

async function statesOf(run: string | undefined, options: Common): Promise<RunState[]> {
  const store = await readStore(options)
  const runs = run === undefined ? await readRuns(store) : [await readRun(store, run)]
  const address = addressOf(options) ?? (await serverStatus())?.address
  const client = address === undefined ? undefined : await connect(address)
  try {
    return await Promise.all(runs.map((own) => stateOf(client, own)))
  } finally {
    await client?.connection.close()
  }
}

async function stateOf(client: Client | undefined, document: RunDocument): Promise<RunState> {
  const { run, name, workflowId, startedAt, specDigest, outputs, ...noted } = document
  const handle = client?.workflow.getHandle(workflowId)
  const described = outputs ? undefined : await handle?.describe().catch(() => undefined)
  const state = outputs ? 'COMPLETED' : (described?.status.name ?? 'UNKNOWN')
  const progress = client && state === 'RUNNING' ? await progressOf(client, workflowId) : undefined
  const failed = state === 'FAILED' || state === 'TERMINATED' || state === 'TIMED_OUT'
  const failure = failed
    ? await handle!.result().then(
        () => undefined,
        (error: unknown) => explain(error).text,
      )
    : undefined
  // One whose end no command has seen is not noted.
  const unseen = state === 'COMPLETED' && !outputs ? ((await handle!.result()) as SearchResult) : undefined
  const outcome = noted.outcome ?? unseen?.outcome
  return { run, name, state, startedAt, specDigest, progress, outcome, failure }
}

const head = ({ run, state, progress, startedAt, outcome }: RunState): string => {
  const word = outcome?.ok === false ? outcome.status.toUpperCase() : state
  const words = [run, progress?.paused ? 'PAUSED' : word, startedAt]
  if (progress) words.splice(2, 0, `${Math.round(progress.fraction * 100)} %`)
  return words.join('\t')
}

function describe(state: RunState): string[] {
  const { progress, failure, run, outcome } = state
  const lines = [head(state)]
  if (outcome) lines.push(`  ${outcome.text}`)
  if (failure !== undefined) lines.push(...failure.split('\n').map((line) => `  ${line}`))
  for (const stage of progress?.stages ?? []) lines.push(...describeStage(run, stage))
  return lines
}

function describeStage(run: string, stage: StageProgress): string[] {
  const { state, done, total, reused, leftOut, waiting, trouble, question, secondsLeft } = stage
  const left = leftOut > 0 ? `, ${leftOut} left out` : ''
  const counts = total > 0 ? `${done}/${total}${reused > 0 ? ` (${reused} reused${left})` : left}` : ''
  const time = secondsLeft === undefined || done === total ? '' : ` ${describeLeft(secondsLeft)}`
  const lines = [`  ${stage.stage.padEnd(16)} ${state.padEnd(8)} ${counts}${time}`.trimEnd()]
  if (question !== undefined) lines.push(`    ${question} Answer: ${typed('approve', run, stage.stage)}`)
  if (trouble) lines.push(`    ${describeTrouble(trouble)}`)
  for (const id of waiting)
    lines.push(
      `    waits for: ${decisionsOn(run, stage, id)
        .map((words) => typed(...words))
        .join(' or ')}`,
    )
  return lines
}
