import { Context } from '@temporalio/activity'
import { hostname } from 'node:os'
import type { Outputs } from '../api/index.js'
import { digestJson } from '../store/digest.js'
import type { ArtifactRef, Digest, Store, TaskRecord } from '../store/index.js'
import type { TaskDone } from '../workflows/types.js'
import type { Admission } from './admission.js'
import { CheckpointKeeper } from './checkpoint-keeper.js'
import type { Host } from './host.js'
import { inWindow } from '../lineage/in-window.js'
import type { Job } from './job.js'
import type { Key } from '../lineage/keys.js'
import type { KeyLocks, Slots } from './slots.js'
import type { Watch } from './watch.js'

/** Characters of what a task says that it does: it goes to the server with every sign of life. */
const longestText = 1000

/** Artifacts to look up in parallel, which matters for remote stores. */
const artifactsAtOnce = 8

/** What finished work is looked for with, and other work is done with. */
export interface ReuseServices {
  readonly store: Store
  readonly host: Pick<Host, 'run'>
  readonly slots: Slots
  readonly admission: Pick<Admission, 'lend'>
  readonly locks: KeyLocks
  readonly watch: Watch
}

export type Runner = (job: Job) => Promise<unknown>

/** The record of a key, made by `work` when it is not there or its artifacts are lost. */
export async function reuseOr(
  { store, host, slots, admission, locks, watch }: ReuseServices,
  { key, components }: Key,
  what: string,
  exclusive: boolean,
  work: (run: Runner) => Promise<Outputs>,
): Promise<{ done: TaskDone; outputs: Outputs }> {
  const heart = Context.current()
  const { cancellationSignal: signal } = heart
  // Without heartbeats the server takes the worker for dead; they also bring cancellation.
  let last: unknown = { fraction: 0, text: 'waiting for a slot' }
  const pulse = setInterval(() => heart.heartbeat(last), pulsePause(heart))
  const releases: (() => void)[] = []
  const watched = watch.begin()
  try {
    const back = locks.isTaken(key) ? admission.lend() : () => undefined
    try {
      releases.push(await locks.take(key, signal))
    } finally {
      back()
    }
    const before = await finished(store, key)
    if (before.result) {
      watched.reused()
      return before.result
    }
    releases.push(await slots.take(exclusive, signal))
    watched.started()
    const begin = performance.now()
    let outputs: Outputs
    try {
      outputs = await work(async (job) => {
        const warn = (message: string) => watched.log({ level: 'warn', event: 'checkpoint not saved', message })
        const keeper = await CheckpointKeeper.start(store, key, warn)
        // A later attempt begins where the one before ended: its speed is that of what it did itself.
        let from: number | undefined
        const onProgress = (fraction: number, text: string) => {
          if (heart.info.attempt > 1) from ??= fraction
          last = { fraction, text: text.slice(0, longestText), ...(from !== undefined && { from }) }
          heart.heartbeat(last)
          watched.progressed()
          keeper.offer()
        }
        const onWait = (text: string) => void (last = { fraction: 0, text })
        try {
          return await host.run(job, { what, signal, onProgress, onWait, log: watched.log })
        } catch (error) {
          await keeper.saveLast()
          throw error
        } finally {
          await keeper.end()
        }
      })
    } catch (error) {
      // An attempt on a worker that was thought lost may have been faster, and have taken the checkpoint away.
      const { result } = await finished(store, key)
      if (!result) throw error
      await store.removeCheckpoint(key)
      watched.reused()
      return result
    }
    const seconds = (performance.now() - begin) / 1000
    const finishedAt = new Date().toISOString()
    const made = { version: 1, key, components, outputs, seconds, finishedAt, host: hostname() } as const
    const kept = await store.putRecord(made, before.record)
    await store.removeCheckpoint(key)
    watched.done(seconds)
    return { done: { key, reused: false, seconds }, outputs: kept.outputs as Outputs }
  } catch (error) {
    if (signal.aborted) watched.cancelled()
    throw error
  } finally {
    watched.end()
    clearInterval(pulse)
    releases.forEach((release) => release())
  }
}

/** Records to look up in parallel. */
const recordsAtOnce = 8

/** Of which keys the store has the result. Tells the server meanwhile that the worker lives. */
export async function resultsOf(store: Store, keys: readonly Digest[]): Promise<boolean[]> {
  const heart = Context.current()
  const pulse = setInterval(() => heart.heartbeat({ fraction: 0, text: 'looking for results' }), pulsePause(heart))
  try {
    return await inWindow(keys, recordsAtOnce, async (key) => {
      heart.cancellationSignal.throwIfAborted()
      return (await finished(store, key)).result !== undefined
    })
  } finally {
    clearInterval(pulse)
  }
}

/** Digests of the records of keys, in their order; null where a key or its record is absent. */
export const recordsOf = (store: Store, keys: readonly (Digest | null)[]): Promise<(Digest | null)[]> =>
  inWindow(keys, recordsAtOnce, async (key) => {
    const record = key === null ? undefined : await store.getRecord(key)
    return record ? digestJson(record) : null
  })

/** Milliseconds between two signs of life. */
const pulsePause = ({ info }: Context) => Math.min(4000, (info.heartbeatTimeoutMs ?? 20_000) / 5)

/** What a key's record tells, if all its artifacts are there. */
async function finished(
  store: Store,
  key: Digest,
): Promise<{ readonly record: TaskRecord | undefined; readonly result?: { done: TaskDone; outputs: Outputs } }> {
  const record = await store.useRecord(key)
  if (!record || !(await everyArtifact(store, record.outputs.files))) return { record }
  return {
    record,
    result: { done: { key, reused: true, seconds: record.seconds }, outputs: record.outputs as Outputs },
  }
}

async function everyArtifact(store: Store, files: Readonly<Record<string, ArtifactRef>>): Promise<boolean> {
  const there = await inWindow(Object.values(files), artifactsAtOnce, (ref) => store.has(ref))
  return there.every((isThere) => isThere)
}
