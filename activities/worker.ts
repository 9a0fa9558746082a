import { Client, Connection, type ConnectionOptions } from '@temporalio/client'
import type { DataConverter } from '@temporalio/common'
import { DefaultLogger, NativeConnection, Runtime, Worker, type NativeConnectionOptions } from '@temporalio/worker'
import { cpus } from 'node:os'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadPlugins, type Loaded } from '../plugins/registry.js'
import type { Store } from '../store/index.js'
import { makeActivities } from './activities.js'
import { Host } from './host.js'
import { queueOf } from './queue.js'
import { Slots } from './slots.js'
import { workflowBundle } from './workflow-bundle.js'

export interface WorkerOptions {
  /** How to reach the server (server/access.ts). */
  readonly access: {
    readonly address: string
    readonly namespace: string
    readonly connection: Pick<ConnectionOptions, 'address' | 'tls' | 'apiKey' | 'metadata'>
    readonly dataConverter?: DataConverter
  }
  readonly store: Store
  readonly queue: string
  /** Tasks side by side, one thread each. Default: the number of cores. */
  readonly slots?: number
  /** Ends when nothing has run for as many seconds. Default: never. */
  readonly idleSeconds?: number
  readonly log: (line: string) => void
  /** For tests: module with `loadPlugins`. */
  readonly registry?: { readonly loaded: Loaded; readonly module: string }
}

/** Serves a store's searches until it is told to end or is idle. */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { access, store, queue, log } = options
  const { namespace, dataConverter } = access
  const slots = new Slots(options.slots ?? Math.max(1, cpus().length))
  const logs = join(store.root, 'logs')
  mkdirSync(logs, { recursive: true })
  Runtime.install({ logger: new DefaultLogger('WARN', ({ level, message }) => log(`${level} ${message}`)) })
  const { registry } = options
  const host = new Host({ logFile: join(logs, 'tasks.log'), ...(registry && { registry: registry.module }) })
  const connection = await NativeConnection.connect(access.connection as NativeConnectionOptions)
  const worker = await Worker.create({
    connection,
    namespace,
    ...(dataConverter && { dataConverter }),
    taskQueue: queue,
    workflowBundle: await workflowBundle(dataConverter?.failureConverterPath),
    activities: makeActivities({ store, host, slots, loaded: registry?.loaded ?? loadPlugins() }),
    // More than there are places: cache hits need none, and those that wait for one heartbeat.
    maxConcurrentActivityTaskExecutions: 4 * slots.size + 4,
    // Cancellation comes with the answer to a heartbeat.
    maxHeartbeatThrottleInterval: '2 seconds',
    // So long workflows wait for a worker that is gone before another one may go on with them.
    stickyQueueScheduleToStartTimeout: '3 seconds',
    shutdownGraceTime: '1 second',
    shutdownForceTime: '40 seconds',
  })
  const stopWatching =
    options.idleSeconds === undefined ? () => undefined : await endWhenIdle(worker, options, options.idleSeconds)
  try {
    log(`worker: serving ${queue} at ${access.address} with ${slots.size} places`)
    await worker.run()
  } finally {
    await stopWatching()
    host.close()
    await connection.close()
  }
}

/** Shuts the worker down when no search of its store has run for a while, whichever tasks it does itself. */
async function endWhenIdle(
  worker: Worker,
  { access: { connection: settings, namespace }, store, log }: WorkerOptions,
  seconds: number,
): Promise<() => Promise<void>> {
  const connection = await Connection.connect(settings)
  const client = new Client({ connection, namespace })
  let busy = Date.now()
  const timer = setInterval(() => {
    client.workflow
      .count(`TaskQueue = '${queueOf(store)}' AND ExecutionStatus = 'Running'`)
      .then(({ count }) => {
        if (count > 0) busy = Date.now()
        else if (Date.now() - busy > seconds * 1000 && worker.getState() === 'RUNNING') {
          log('worker: idle, ending')
          worker.shutdown()
        }
      })
      // A server that is away for a while is no reason to end.
      .catch(() => (busy = Date.now()))
  }, 3000)
  return async () => {
    clearInterval(timer)
    await connection.close()
  }
}
