import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { AttemptLine } from '../../activities/attempt-log.js'
import { packageRoot } from '../../store/paths.js'
import { Attempts } from './attempts.js'
import { kinds, schedule } from './schedule.js'
import { wasteOf } from './waste.js'

test('a search whose processes are killed six times ends with the same result', { timeout: 900_000 }, () => {
  const program = join(packageRoot(), 'dist/test/chaos/main.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--kills', '6'], { encoding: 'utf8' })
  expect(stdout).toContain('survived          6 of 6\n')
  expect(stdout).toContain('equal to the undisturbed search: yes, except measured times\n')
  expect(status, stdout + stderr).toBe(0)
})

const stages = ['prepare', 'distill', 'score', 'uptrain'].map((name, i) => ({ name, milliseconds: 100 * (i + 1) }))

test('a schedule has the requested number of kills, covers every kind and stage in order, and depends only on its seed', () => {
  const planned = schedule(23, stages, 1)
  expect(planned).toHaveLength(23)
  expect(new Set(planned.map(({ kind }) => kind))).toEqual(new Set(kinds))
  const order = planned.map(({ stage }) => stages.findIndex(({ name }) => name === stage))
  expect(order).toEqual(order.toSorted())
  expect(new Set(order).size).toBe(4)
  expect(schedule(23, stages, 1)).toEqual(planned)
  expect(schedule(23, stages, 2)).not.toEqual(planned)
})

/** Attempts from abbreviated lines: process, event, processor seconds, text. */
function attempts(...lines: readonly (readonly [number, AttemptLine['event'], number, string?])[]): Attempts {
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-attempts-'))
  const file = join(folder, 'attempts.log')
  const line = ([pid, event, cpu, text]: (typeof lines)[number]) =>
    `${JSON.stringify({ at: 0, pid, event, cpu, text, stage: 'distill', task: 'layer00/ffn/linear' })}\n`
  writeFileSync(file, lines.map(line).join(''))
  const log = new Attempts(file)
  log.update()
  rmSync(folder, { recursive: true })
  return log
}
const reference = attempts(
  [1, 'begin', 1],
  [1, 'progress', 2, 'step 8 of 32, loss 1'],
  [1, 'progress', 3, 'step 16 of 32, loss 1'],
  [1, 'progress', 3, 'step 16 of 32, checkpoint saved'],
  [1, 'progress', 4, 'step 24 of 32, loss 1'],
  [1, 'progress', 5, 'step 32 of 32, loss 1'],
  [1, 'end', 6],
)

test('repeated steps after a kill are counted, as are the seconds since the checkpoint', () => {
  const { all } = attempts(
    [1, 'begin', 1],
    [1, 'progress', 2, 'step 8 of 32, loss 1'],
    [1, 'progress', 3, 'step 16 of 32, loss 1'],
    [1, 'progress', 3.5, 'step 16 of 32, checkpoint saved'],
    [1, 'progress', 5, 'step 24 of 32, loss 1'],
    [2, 'begin', 1],
    [2, 'progress', 2, 'step 24 of 32, loss 1'],
    [2, 'progress', 3, 'step 32 of 32, loss 1'],
    [2, 'end', 4],
  )
  expect(wasteOf(all, reference.all)).toEqual({
    interrupted: 1,
    mostRepeated: 8,
    repeated: 8,
    tooEarly: [],
    intervals: { distill: 16 },
    seconds: 9,
    starting: 2,
    lost: 1.5,
  })
})

test('a task that restarts before its last checkpoint is detected', () => {
  const { all } = attempts(
    [1, 'begin', 1],
    [1, 'progress', 3, 'step 16 of 32, loss 1'],
    [1, 'progress', 3, 'step 16 of 32, checkpoint saved'],
    [2, 'begin', 1],
    [2, 'progress', 2, 'step 8 of 32, loss 1'],
    [2, 'end', 4],
  )
  expect(wasteOf(all, reference.all).tooEarly).toEqual([
    'distill/layer00/ffn/linear: restarted at step 0, although its checkpoint was at step 16',
  ])
})
