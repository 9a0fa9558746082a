import { EventEmitter } from 'node:events'
import { beforeEach, expect, test, vi } from 'vitest'
import { Host } from '../../activities/host.js'
import type { Job, Limits } from '../../activities/job.js'

/** A process that does every job at once. */
class Process extends EventEmitter {
  connected = true
  killed = false
  send(): void {
    this.emit('message', { kind: 'done', result: 'done' })
  }
  kill(): void {
    this.killed = true
    this.connected = false
    this.emit('exit', null, 'SIGKILL')
  }
}

const started = vi.hoisted(() => [] as unknown[]) as Process[]
vi.mock('node:child_process', () => ({
  fork: () => {
    started.push(new Process())
    return started.at(-1)
  },
}))

beforeEach(() => void started.splice(0))

async function run(host: Host, limits: Limits): Promise<void> {
  const job = { kind: 'run', plan: { stages: [] }, stage: 'distill', store: '.', limits } as unknown as Job
  const { signal } = new AbortController()
  await host.run(job, { what: 'distill', signal, onProgress: () => undefined, log: () => undefined })
}

test('one process does one task after the other', async () => {
  const host = new Host({ log: () => undefined })
  for (let i = 0; i < 3; i++) await run(host, {})
  expect(started.map(({ killed }) => killed)).toEqual([false])
})

test('a task whose memory is bounded has a process of its own, which ends with it', async () => {
  const host = new Host({ log: () => undefined })
  for (let i = 0; i < 3; i++) await run(host, { memory: 1e9 })
  expect(started.map(({ killed }) => killed)).toEqual([true, true, true])
})
