import { Client, Connection, type ConnectionOptions } from '@temporalio/client'
import type { DataConverter } from '@temporalio/common'
import proto from '@temporalio/proto'
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type LogEntry,
  type NativeConnectionOptions,
} from '@temporalio/worker'
import { mkdirSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { loadPlugins, type Loaded } from '../plugins/registry.js'
import type { Store } from '../store/index.js'
import { processors } from '../tensor/processors.js'
import { makeActivities } from './activities.js'
import { Host } from './host.js'
import { Admission } from './admission.js'
import { fileLog, type Entry, type Log } from './journal.js'
import { Metrics } from './metrics.js'
import { queueOf, searchesOn } from './queue.js'
import { Slots } from './slots.js'
import { Watch } from './watch.js'
import { workflowBundle } from './workflow-bundle.js'

export interface WorkerOptions {
  /** How to reach the server (server/access.ts). */
  readonly access: {
    readonly address: string
    readonly namespace: string
    readonly connection: Pick<ConnectionOptions, 'address' | 'tls' | 'apiKey' | 'metadata' | 'channelArgs'>
    readonly proxy?: {
      readonly address: string
      readonly user?: { readonly name: string; readonly password: string }
    }
    readonly dataConverter?: DataConverter
  }
  readonly store: Store
  readonly queue: string
  /** Tasks side by side, one thread each. Default: the processors that this process may use. */
  readonly slots?: number
  /** Ends when nothing has run for as many seconds. Default: never. */
  readonly idleSeconds?: number
  readonly log: Log
  /** Where metrics are served for Prometheus; default: nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number }
  /** For tests: module with `loadPlugins`. */
  readonly registry?: { readonly loaded: Loaded; readonly module: string }
}

/** Serves a store's searches until a signal ends it or it has been idle for too long. */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { access, store, queue } = options
  const { namespace, dataConverter } = access
  const slots = new Slots(options.slots ?? processors())
  const admission = new Admission(slots.size)
  const logs = join(store.root, 'logs')
  mkdirSync(logs, { recursive: true })
  const toFile = fileLog(join(logs, 'tasks.log'))
  const log: Log = (entry) => {
    options.log(entry)
    toFile(entry)
  }
  Runtime.install({ logger: new DefaultLogger('WARN', (entry) => log(sdkEntry(entry))) })
  const { registry } = options
  const host = new Host({ log, ...(registry && { registry: registry.module }) })
  const connection = await NativeConnection.connect(nativeOptions(access))
  const metrics = new Metrics(slots.size, queue, () => queueDepth(connection, namespace, queue))
  const worker = await Worker.create({
    connection,
    namespace,
    ...(dataConverter && { dataConverter }),
    taskQueue: queue,
    workflowBundle: await workflowBundle(dataConverter?.failureConverterPath),
    activities: makeActivities({
      store,
      host,
      slots,
      admission,
      watch: new Watch(log, metrics),
      loaded: registry?.loaded ?? loadPlugins(),
    }),
    tuner: {
      activityTaskSlotSupplier: admission,
      workflowTaskSlotSupplier: { type: 'fixed-size', numSlots: 40 },
      localActivityTaskSlotSupplier: { type: 'fixed-size', numSlots: 100 },
      nexusTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
    },
    // Cancellation comes with the answer to a heartbeat.
    maxHeartbeatThrottleInterval: '2 seconds',
    // Workflows wait this long for a worker that is gone before another one may continue them.
    stickyQueueScheduleToStartTimeout: '3 seconds',
    shutdownGraceTime: '1 second',
    shutdownForceTime: '40 seconds',
  })
  const stopWatching =
    options.idleSeconds === undefined ? () => undefined : await endWhenIdle(worker, options, options.idleSeconds)
  let served: Server | undefined
  try {
    served = options.metrics && (await metrics.serve(options.metrics.host, options.metrics.port))
    log({ level: 'info', event: 'worker serves', queue, address: access.address, places: slots.size })
    await worker.run()
  } finally {
    await stopWatching()
    host.close()
    served?.close()
    await connection.close()
  }
}

/** Options of a worker's connection. Its library reads no environment variables, so they name the proxy. */
function nativeOptions({ connection, proxy }: WorkerOptions['access']): NativeConnectionOptions {
  // What is for the client's library alone is left alone here.
  const options = connection as NativeConnectionOptions
  if (!proxy) return options
  const { address: targetHost, user } = proxy
  const basicAuth = user && { username: user.name, password: user.password }
  return { ...options, proxy: { type: 'http-connect', targetHost, ...(basicAuth && { basicAuth }) } }
}

/** What the SDK says. */
function sdkEntry({ level, message }: LogEntry): Entry {
  return { level: level === 'ERROR' ? 'error' : 'warn', event: 'sdk', message }
}

/** Tasks of a queue that no worker has taken, according to the server. */
async function queueDepth(connection: NativeConnection, namespace: string, name: string): Promise<number | undefined> {
  try {
    const { stats } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name },
      taskQueueType: proto.temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
      reportStats: true,
    })
    return stats?.approximateBacklogCount ? Number(stats.approximateBacklogCount) : 0
  } catch {
    return undefined
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
    searchesOn(queueOf(store), client)
      .then((count) => {
        if (count > 0) busy = Date.now()
        else if (Date.now() - busy > seconds * 1000 && worker.getState() === 'RUNNING') {
          log({ level: 'info', event: 'worker ends', message: 'idle' })
          worker.shutdown()
        }
      })
      // The worker does not end because the server is away for a while.
      .catch(() => (busy = Date.now()))
  }, 3000)
  return async () => {
    clearInterval(timer)
    await connection.close()
  }
}
