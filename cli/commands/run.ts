import { Option, type Command } from 'commander'
import { asJson, asText } from '../../activities/journal.js'
import { queueOf } from '../../activities/queue.js'
import { Failure } from '../../api/index.js'
import { accessTo, serverStatus, stopServer, type ServerInfo } from '../../server/index.js'
import { action } from '../action.js'
import { compiled } from '../compiled-spec.js'
import { listenAddress, positiveNumber, wholeNumber } from '../option-values.js'
import { common, reading, running, settingWords, type Common, type RunningOptions } from '../options.js'
import { log, print, printJson } from '../output.js'
import { exitCodes } from '../exit-codes.js'
import { followSearch } from '../follow-search.js'
import { openStore } from '../open-store.js'
import { type Selection } from '../selection.js'
import { startSearch } from '../start-search.js'
import { pageOfRuns } from '../ui-pages.js'
import { findServer } from '../with-server.js'
import { claimWorker } from '../workers.js'

interface RunOptions extends RunningOptions, Selection {}

/** Running, and the processes for it. */
export function runCommands(program: Command): void {
  const command = reading(program.command('run <spec>').description('start or resume a run'))
    .option('--run <id>', 'name of the run (default: the spec’s name)')
    .option('--detach', 'do not wait for the result')
    .option('--until <stage>', 'only this stage and those it needs')
    .option('--from <stage>', 'only this stage and those after it: what it needs must be in the store')
    .option('--only <stage>', 'only this stage: what it needs must be in the store')
  running(command).action(action(run))

  const server = program.command('server').description('the Temporal server')
  common(server.command('start')).action(
    action(async (options: Common) => {
      const info = await findServer(options)
      if (options.json) return printJson(withPage(info))
      print(`Temporal at ${info.address} (${info.source})${info.uiAddress ? `, UI at ${info.uiAddress}` : ''}`)
      if (info.uiAddress) print(`All runs: ${pageOfRuns(info.uiAddress)}`)
    }),
  )
  common(server.command('status')).action(
    action(async (options: Common) => {
      const info = await serverStatus()
      if (!info) process.exitCode = exitCodes.NoServer
      if (options.json) return printJson(info ? withPage(info) : { running: false })
      if (!info) return print('No puzzleflow server is running.')
      print(`Temporal at ${info.address}, UI at ${info.uiAddress}, process ${info.pid}`)
      print(`All runs: ${pageOfRuns(info.uiAddress!)}`)
    }),
  )
  common(server.command('stop')).action(
    action(async (options: Common) => {
      const stopped = await stopServer()
      if (options.json) printJson({ stopped })
      else print(stopped ? 'Stopped.' : 'No puzzleflow server is running.')
    }),
  )

  common(program.command('worker').description('serve the searches of a store'))
    .option('--queue <name>', 'do only tasks of stages with this `queue`')
    .option(
      '--slots <n>',
      'tasks to run at the same time (default: the processors that the worker may use)',
      wholeNumber(1),
    )
    .option('--idle <seconds>', 'end when nothing has run for this long', positiveNumber)
    .addOption(
      new Option('--metrics <[host:]port>', 'serve metrics for Prometheus at /metrics (host: 127.0.0.1)')
        .env('PUZZLEFLOW_METRICS')
        .argParser(listenAddress),
    )
    .option('--unless-served', 'end immediately if another worker serves the store')
    .option('--describe', 'only print, as JSON, what a worker in another language connects to')
    .action(action(worker))
}

/** A server, with the page that lists its runs. */
const withPage = (info: ServerInfo) => ({ ...info, ...(info.uiAddress && { runsPage: pageOfRuns(info.uiAddress) }) })

async function run(file: string, options: RunOptions): Promise<void> {
  const { from, until, only } = options
  const selection = { ...(from && { from }), ...(until && { until }), ...(only && { only }) }
  const spec = await compiled(file, options)
  const words = settingWords(options)
  const command = words.length > 0 ? { command: ['run', spec.plan.specFile, ...words] } : {}
  await followSearch(await startSearch(spec, { ...options, ...command }, selection), options)
}

interface WorkerOptions extends Common {
  readonly queue?: string
  readonly slots?: number
  readonly idle?: number
  readonly unlessServed?: boolean
  readonly describe?: boolean
  readonly metrics?: { readonly host: string; readonly port: number }
}

async function worker(options: WorkerOptions): Promise<void> {
  const { queue, slots, idle, metrics } = options
  if (queue !== undefined && !/^[A-Za-z0-9][\w.-]{0,62}$/.test(queue))
    throw new Failure('InvalidInput', `"${queue}" is not a valid name for a queue`, {
      remedy: 'Use letters, digits, dots and dashes.',
    })
  const store = await openStore(options)
  const info = await findServer(options)
  if (options.describe) {
    const { namespace } = accessTo(info.address)
    return printJson({ address: info.address, namespace, taskQueue: queueOf(store, queue), store: store.location })
  }
  // Any number may serve a store; the one that has the place is enough for commands to start no other.
  const release = queue === undefined ? await claimWorker(store, info.address, options.unlessServed) : undefined
  if (!release && options.unlessServed) return log('Another worker serves this store.')
  // Only here: other commands need not wait until its native code is loaded.
  const { runWorker } = await import('../../activities/worker.js')
  try {
    await runWorker({
      access: accessTo(info.address),
      store,
      queue: queueOf(store, queue),
      log: (entry) => log(process.stderr.isTTY ? asText(entry) : asJson(entry)),
      ...(metrics && { metrics }),
      ...(slots === undefined ? {} : { slots }),
      ...(idle === undefined ? {} : { idleSeconds: idle }),
    })
  } finally {
    await release?.()
  }
  process.exit(process.exitCode ?? 0)
}
