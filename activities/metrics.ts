import { createServer, type Server } from 'node:http'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { Failure } from '../api/index.js'
import { pathOf } from './request-path.js'

/** How a task ended. */
export type Outcome = 'done' | 'reused' | 'failed' | 'cancelled'

/** A task that a worker has taken. */
export interface Observed {
  readonly stage: string
  readonly task: string
  /** Milliseconds of the last news; undefined while it waits for a place. */
  news: number | undefined
}

/** What a worker tells Prometheus. */
export class Metrics {
  private readonly registry = new Registry()
  private readonly tasks = new Set<Observed>()
  private readonly ended = new Counter({
    name: 'puzzleflow_tasks_total',
    help: 'Tasks that ended on this worker, by outcome; reused: the store had the result.',
    labelNames: ['stage', 'outcome'],
    registers: [this.registry],
  })
  private readonly seconds = new Histogram({
    name: 'puzzleflow_task_seconds',
    help: 'Seconds that finished tasks took.',
    labelNames: ['stage'],
    buckets: [0.1, 1, 10, 60, 600, 3600, 36_000],
    registers: [this.registry],
  })
  private readonly failed = new Counter({
    name: 'puzzleflow_failures_total',
    help: 'Attempts that failed, by kind of failure.',
    labelNames: ['stage', 'kind'],
    registers: [this.registry],
  })

  /**
   * @param places   tasks that run side by side
   * @param backlog  tasks that wait in the queue for any worker; undefined when nobody can tell
   */
  constructor(places: number, queue: string, backlog: () => Promise<number | undefined>) {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    new Gauge({ name: 'puzzleflow_places', help: 'Tasks that this worker can run at the same time.', registers }).set(
      places,
    )
    const { tasks } = this
    new Gauge({
      name: 'puzzleflow_tasks',
      help: 'Tasks that this worker holds: running, or waiting for a slot.',
      labelNames: ['state'],
      registers,
      collect() {
        const running = [...tasks].filter(({ news }) => news !== undefined).length
        this.set({ state: 'running' }, running)
        this.set({ state: 'waiting' }, tasks.size - running)
      },
    })
    new Gauge({
      name: 'puzzleflow_heartbeat_age_seconds',
      help: 'Seconds since a running task last reported progress.',
      labelNames: ['stage', 'task'],
      registers,
      collect() {
        this.reset()
        for (const { stage, task, news } of tasks)
          if (news !== undefined) this.set({ stage, task }, (performance.now() - news) / 1000)
      },
    })
    new Gauge({
      name: 'puzzleflow_queue_depth',
      help: 'Tasks in the queue that no worker has taken yet.',
      labelNames: ['queue'],
      registers,
      async collect() {
        const depth = await backlog()
        if (depth === undefined) this.reset()
        else this.set({ queue }, depth)
      },
    })
  }

  /** A task is here. */
  begin(stage: string, task: string): Observed {
    const observed: Observed = { stage, task, news: undefined }
    this.tasks.add(observed)
    return observed
  }

  /** It runs, or tells of progress. */
  news(observed: Observed): void {
    observed.news = performance.now()
  }

  /** @param seconds  of work, where it was done here */
  end(observed: Observed, outcome: Outcome, seconds?: number): void {
    const { stage } = observed
    this.tasks.delete(observed)
    this.ended.inc({ stage, outcome })
    if (seconds !== undefined) this.seconds.observe({ stage }, seconds)
  }

  failure(stage: string, kind: string): void {
    this.failed.inc({ stage, kind })
  }

  /** In Prometheus' text format. */
  text(): Promise<string> {
    return this.registry.metrics()
  }

  /** Answers Prometheus at `/metrics`. @throws Failure NoServer when the port cannot be had */
  serve(host: string, port: number): Promise<Server> {
    const server = createServer((request, response) => {
      if (pathOf(request) !== '/metrics') return response.writeHead(404).end()
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return response.writeHead(405, { allow: 'GET, HEAD' }).end()
      this.text().then(
        (text) => {
          const headers = { 'content-type': this.registry.contentType, 'content-length': Buffer.byteLength(text) }
          // Of HEAD the body is left out by Node.
          response.writeHead(200, headers).end(text)
        },
        (error: Error) => response.writeHead(500).end(error.message),
      )
    })
    const place = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    return new Promise((resolve, reject) => {
      server.once('error', (error) =>
        reject(
          new Failure('NoServer', `Metrics cannot be served at ${place}: ${error.message}`, {
            remedy: 'Choose another address: --metrics PORT or HOST:PORT.',
          }),
        ),
      )
      server.listen(port, host, () => resolve(server))
    })
  }
}
