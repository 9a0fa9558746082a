import type { Command } from 'commander'
import pc from 'picocolors'
import { queueOf, runWorker } from '../../activities/worker.js'
import { Failure } from '../../plugins/api/index.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'
import { ensureServer, serverStatus, stopServer } from '../../server/index.js'
import { action, addressOf, common, log, openStore, planOf, print, printJson, type Common } from '../common.js'
import { resultOf, writeOutcome } from '../outcome.js'
import { claimWorker, connect, ensureWorker, follow, startRun, workflowIdOf } from '../runs.js'

interface RunOptions extends Common {
  readonly run?: string
  readonly detach?: boolean
  readonly until?: string
}

/** Running, and the processes for it. */
export function runCommands(program: Command): void {
  common(program.command('run <spec>').description('start or resume a run'))
    .option('--run <id>', 'name of the run (default: the spec’s name)')
    .option('--detach', 'do not wait for the result')
    .option('--until <stage>', 'only this stage and those it needs')
    .action(action(run))

  const server = program.command('server').description('the Temporal server')
  common(server.command('start')).action(
    action(async (options: Common) => {
      const info = await ensureServer({ address: addressOf(options), log })
      if (options.json) printJson(info)
      else print(`Temporal at ${info.address} (${info.source})${info.uiAddress ? `, UI at ${info.uiAddress}` : ''}`)
    }),
  )
  common(server.command('status')).action(
    action(async (options: Common) => {
      const info = await serverStatus()
      if (options.json) printJson(info ?? { running: false })
      else
        print(
          info
            ? `Temporal at ${info.address}, UI at ${info.uiAddress}, process ${info.pid}`
            : 'No server of ours runs.',
        )
      if (!info) process.exitCode = 5
    }),
  )
  common(server.command('stop')).action(
    action(async (options: Common) => {
      const stopped = await stopServer()
      if (options.json) printJson({ stopped })
      else print(stopped ? 'Stopped.' : 'No server of ours runs.')
    }),
  )

  common(program.command('worker').description('serve the searches of a store'))
    .option('--queue <name>', 'task queue (default: of the store)')
    .option('--slots <n>', 'tasks side by side (default: the number of cores)', Number)
    .option('--idle <seconds>', 'end when nothing has run for so long', Number)
    .action(action(worker))
}

async function run(file: string, options: RunOptions): Promise<void> {
  const plan = until(await planOf(file), options.until)
  const name = options.run ?? plan.name
  if (!/^[\w.-]{1,100}$/.test(name))
    throw new Failure('InvalidInput', `"${name}" is no name of a run`, {
      remedy: 'Use letters, digits, dots and dashes.',
    })
  const store = await openStore(options)
  const info = await ensureServer({ address: addressOf(options), log })
  const client = await connect(info.address)
  const started = await startRun(client, store, name, plan)
  await ensureWorker(store, info.address)
  const link =
    info.uiAddress && `${info.uiAddress}/namespaces/default/workflows/${encodeURIComponent(workflowIdOf(store, name))}`
  log(`${started ? 'Started' : 'Going on with'} run ${pc.bold(name)}${link ? `: ${link}` : ''}`)
  if (options.detach) {
    if (options.json) printJson({ run: name, specDigest: plan.digest, started, ui: link })
    return void (await client.connection.close())
  }
  process.once('SIGINT', () => {
    log(
      `\nThe run goes on without this command. See it with \`puzzleflow status ${name}\`, come back with the same command.`,
    )
    process.exit(130)
  })
  const document = await follow(client, store, name, info.address)
  const outcome = await writeOutcome(store, document)
  if (options.json) printJson(await resultOf(store, document))
  else log(`Done: ${outcome.folder}`)
  if (outcome.report) log(`Report: ${outcome.report}`)
  if (link) log(`Temporal UI: ${link}`)
  await client.connection.close()
}

/** The plan cut down to a stage and those it needs. */
function until(plan: FrozenPlan, stage: string | undefined): FrozenPlan {
  if (stage === undefined) return plan
  const byName = new Map(plan.stages.map((s) => [s.name, s]))
  if (!byName.has(stage))
    throw new Failure('InvalidInput', `There is no stage "${stage}"`, {
      remedy: `Stages: ${[...byName.keys()].join(', ')}.`,
    })
  const kept = new Set<string>()
  const keep = (name: string) => {
    kept.add(name)
    byName.get(name)!.needs.forEach(keep)
  }
  keep(stage)
  return { ...plan, stages: plan.stages.filter(({ name }) => kept.has(name)) }
}

async function worker(options: Common & { queue?: string; slots?: number; idle?: number }): Promise<void> {
  const store = await openStore(options)
  const release = await claimWorker(store)
  if (!release) return log('Another worker serves this store.')
  const info = await ensureServer({ address: addressOf(options), log })
  try {
    await runWorker({
      address: info.address,
      store,
      queue: options.queue ?? queueOf(store),
      log,
      ...(options.slots === undefined ? {} : { slots: options.slots }),
      ...(options.idle === undefined ? {} : { idleSeconds: options.idle }),
    })
  } finally {
    await release()
  }
  process.exit(process.exitCode ?? 0)
}
