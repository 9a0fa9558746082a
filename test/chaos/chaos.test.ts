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

test('a search whose processes are killed six times ends as if nothing had been', { timeout: 900_000 }, () => {
  const program = join(packageRoot(), 'dist/test/chaos/main.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--kills', '6'], { encoding: 'utf8' })
  expect(stdout).toContain('survived          6 of 6\n')
  expect(stdout).toContain('equal to the undisturbed search: yes, measured times apart\n')
  expect(status, stdout + stderr).toBe(0)
})

const stages = ['prepare', 'distill', 'score', 'uptrain'].map((name, i) => ({ name, milliseconds: 100 * (i + 1) }))

test('a schedule has as many kills as asked for, of every kind, in every stage and in their order, by its seed', () => {
  const planned = schedule(23, stages, 1)
  expect(planned).toHaveLength(23)
  expect(new Set(planned.map(({ kind }) => kind))).toEqual(new Set(kinds))
  const order = planned.map(({ stage }) => stages.findIndex(({ name }) => name === stage))
  expect(order).toEqual(order.toSorted())
  expect(new Set(order).size).toBe(4)
  expect(schedule(23, stages, 1)).toEqual(planned)
  expect(schedule(23, stages, 2)).not.toEqual(planned)
})

/** Attempts by lines in which only what matters is told: process, event, processor seconds, text. */
function attempts(...lines: readonly (readonly [number, AttemptLine['event'], number, string?])[]): Attempts {
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-attempts-'))
  const file = join(folder, 'attempts.log')
  const line = ([pid, event, cpu, text]: (typeof lines)[number]) =>
    `${JSON.stringify({ at: 0, pid, event, cpu, text, stage: 'distill', task: 'layer00/ffn/linear' })}\n`
  writeFileSync(file, lines.map(line).join(''))
  const found = new Attempts(file)
  found.update()
  rmSync(folder, { recursive: true })
  return found
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

test('steps that are done again after a kill are counted, and the seconds since the checkpoint', () => {
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

test('a task that begins again before its last checkpoint is found', () => {
  const { all } = attempts(
    [1, 'begin', 1],
    [1, 'progress', 3, 'step 16 of 32, loss 1'],
    [1, 'progress', 3, 'step 16 of 32, checkpoint saved'],
    [2, 'begin', 1],
    [2, 'progress', 2, 'step 8 of 32, loss 1'],
    [2, 'end', 4],
  )
  expect(wasteOf(all, reference.all).tooEarly).toEqual([
    'distill/layer00/ffn/linear: began again at step 0, its checkpoint was of step 16',
  ])
})
