import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Entry } from '../../activities/journal.js'
import { pause } from '../../server/index.js'
import { freePort } from '../../server/ports.js'
import { serverTimeout, testServer } from '../temporal.js'
import { Rig } from './rig.js'

/** What a worker tells: to Prometheus, and in its log. */
let rig: Rig | undefined
afterEach(() => rig?.close())

const get = (port: number, path: string) =>
  new Promise<{ status: number; text: string }>((resolve, reject) => {
    request({ host: '127.0.0.1', port, path }, (response) => {
      let text = ''
      response.on('data', (data: Buffer) => (text += data.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
      .on('error', reject)
      .end()
  })

/** A sample by its name and labels. */
const valueOf = (text: string, sample: string): number | undefined => {
  const line = text.split('\n').find((own) => own.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length))
}

const spec = (retry = '') => `pipeline: { stages: { step: { ${retry} } } }`

test(
  'metrics tell of tasks that run, wait, are done, reused and fail, of the queue, and how long a task has been silent',
  async () => {
    rig = await Rig.create(await testServer())
    const port = await freePort(29_000)
    await rig.startWorker(1, { env: { TEST_METRICS_PORT: String(port) } })
    const metrics = async () => (await get(port, '/metrics')).text
    const first = await rig.run('first', spec())
    const call = await rig.steps.nextCall()
    const other = await rig.run('other', spec('with: { note: other }'))
    while ((await rig.inFlight(other)).length === 0);
    // Time in which a second place, if the worker had one, would take the task.
    await pause(300)
    const depth = /^puzzleflow_queue_depth\{queue="puzzleflow-.*"\} (\d+)$/m
    const inQueue = async () => Number(depth.exec(await metrics())?.[1])
    await expect.poll(inQueue).toBe(1)
    const during = await metrics()
    expect(valueOf(during, 'puzzleflow_places')).toBe(1)
    expect(valueOf(during, 'puzzleflow_tasks{state="running"}')).toBe(1)
    expect(valueOf(during, 'puzzleflow_tasks{state="waiting"}')).toBe(0)
    expect(valueOf(during, 'puzzleflow_heartbeat_age_seconds{stage="step",task="step"}')).toBeGreaterThan(0.2)
    call.finish()
    await first.result()
    const second = await rig.steps.nextCall()
    second.fail('not yet')
    ;(await rig.steps.nextCall()).finish()
    await other.result()
    await (await rig.run('again', spec())).result()
    const after = await metrics()
    expect(valueOf(after, 'puzzleflow_tasks{state="running"}')).toBe(0)
    expect(after).not.toContain('puzzleflow_heartbeat_age_seconds{')
    // Plan, task and gathering of each.
    expect(valueOf(after, 'puzzleflow_tasks_total{stage="step",outcome="done"}')).toBe(6)
    expect(valueOf(after, 'puzzleflow_tasks_total{stage="step",outcome="failed"}')).toBe(1)
    // What the plan has found is no task any more.
    expect(valueOf(after, 'puzzleflow_tasks_total{stage="step",outcome="reused"}')).toBe(2)
    expect(valueOf(after, 'puzzleflow_failures_total{stage="step",kind="TaskError"}')).toBe(1)
    expect(valueOf(after, 'puzzleflow_task_seconds_count{stage="step"}')).toBe(6)
    expect(valueOf(after, 'process_resident_memory_bytes')).toBeGreaterThan(1e7)
    expect((await get(port, '/')).status).toBe(404)

    const log = readFileSync(join(rig.store.root, 'logs/tasks.log'), 'utf8').trimEnd().split('\n')
    const own = log
      .map((line) => JSON.parse(line) as Entry)
      .filter(({ run, task }) => run === 'other' && task === 'step')
    expect(own.map(({ event, attempt, level }) => [event, attempt, level])).toEqual([
      ['task started', 1, 'info'],
      ['task failed', 1, 'warn'],
      ['task started', 2, 'info'],
      ['task finished', 2, 'info'],
    ])
    expect(own[1]).toMatchObject({
      kind: 'TaskError',
      message: 'not yet',
      final: false,
      stack: expect.any(String) as string,
    })
  },
  serverTimeout,
)
