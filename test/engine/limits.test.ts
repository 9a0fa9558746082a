import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { watchLimits } from '../../activities/limits.js'
import { MemoryGuard } from '../../activities/memory-guard.js'
import type { ChildFailure } from '../../errors/child-failure.js'
import { appendToLog } from '../../store/log-file.js'
import { canMount, mountDisk, unmountDisk } from '../store/small-disk.js'

const gib = 2 ** 30

const forever = new AbortController().signal

/** A guard on a machine of 64 GiB with tasks that hold so many GiB. @returns what it ended */
async function ended(available: number | undefined, held: readonly number[], relieve = () => false): Promise<string[]> {
  const told: string[] = []
  const guard = new MemoryGuard({
    left: () => (available === undefined ? undefined : { total: 64 * gib, available: available * gib }),
    held: (pid) => Promise.resolve(held[pid]! * gib),
    relieve,
  })
  const places = await Promise.all(held.map((_, pid) => guard.admit(`task ${pid}`, 0, forever, () => undefined)))
  places.forEach((place, pid) => place.begin(pid, ({ message }) => told.push(message)))
  await guard.look()
  places.forEach((place) => place.release(true))
  return told
}

test('before the memory is full, the task that holds the most is ended', async () => {
  expect(await ended(0.9, [10, 30, 20])).toEqual([
    'task 1: this machine has 0.9 GiB of memory left, and the task holds 30.0 GiB, more than any other',
  ])
})

test.each([
  ['there is memory left', 1.1, [60]],
  ['other programs hold it', 0.1, [1, 2, 3]],
  ['the system does not tell', undefined, [60]],
])('no task is ended if %s', async (_, available, held) => {
  expect(await ended(available, held)).toEqual([])
})

test('no task is ended if processes that wait for one can be', async () => {
  expect(await ended(0.1, [60], () => true)).toEqual([])
})

const mounts = canMount()
test.skipIf(!mounts)(
  `a task whose disk is nearly full is ended${mounts ? '' : ' (skipped: this user cannot mount a disk)'}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-full-'))
    mountDisk(folder, '-o', 'size=100m')
    onTestFinished(() => {
      unmountDisk(folder)
      rmSync(folder, { recursive: true })
    })
    const child = spawn('sleep', ['100'])
    onTestFinished(() => void child.kill())
    const exceeded = new Promise<ChildFailure>((resolve) =>
      onTestFinished(watchLimits(child.pid, 'distill/a', { disk: folder }, resolve)),
    )
    writeFileSync(join(folder, 'zeros'), Buffer.alloc(50 * 2 ** 20))
    const { type, message, final } = await exceeded
    expect({ type, message, final }).toEqual({
      type: 'OutOfDisk',
      message: `distill/a: the disk of ${folder} has less than 64 MiB left`,
      final: false,
    })
  },
)

test('a log that has become large is put aside, in the place of the one before it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-log-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'tasks.log')
  for (const line of ['first', 'second', 'third', 'fourth']) appendToLog(file, line, 8)
  expect(readFileSync(file, 'utf8')).toBe('third\nfourth\n')
  expect(readFileSync(`${file}.1`, 'utf8')).toBe('first\nsecond\n')
})
