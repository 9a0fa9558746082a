import { expect, test } from 'vitest'
import { progressTable } from '../../workflows/progress-table.js'
import type { StageProgress } from '../../workflows/types.js'

const stage = (own: Partial<StageProgress>): StageProgress => ({
  stage: 'distill',
  state: 'running',
  done: 0,
  total: 12,
  reused: 0,
  seconds: 0,
  leftOut: 0,
  skipped: [],
  waiting: [],
  ...own,
})
/** What the table says below its rows. */
const below = (own: Partial<StageProgress>): string[] => {
  const lines = progressTable('mine', { stages: [stage(own)], fraction: 0, paused: false, concurrency: 32 }).split('\n')
  return lines.slice(lines.findLastIndex((line) => line.startsWith('|')) + 1).filter((line) => line !== '')
}
const trouble = { message: 'a: The loss of step 1 is NaN', remedy: 'Lower the learning rate.' }

test('a row has the tasks that are done and all tasks, on one line', () => {
  const progress = { stages: [stage({ done: 3, seconds: 4.25 })], fraction: 0.1, paused: false, concurrency: 32 }
  expect(progressTable('mine', progress).split('\n').at(-1)).toBe(
    '| distill | running | 3\u00a0/\u00a012 |  |  | 4.3 |  |',
  )
})

test('of a search that is paused no stage runs', () => {
  const stages = [stage({}), stage({ state: 'done' })]
  const lines = progressTable('mine', { stages, fraction: 0.1, paused: true, concurrency: 32 }).split('\n')
  expect(lines.slice(-2).map((line) => line.split(' | ')[1])).toEqual(['paused', 'done'])
})

test('a failure and its remedy are two sentences, with a command for each task that waits', () => {
  expect(below({ partial: true, trouble, waiting: ['a', 'b'] })).toEqual([
    '**distill**: a: The loss of step 1 is NaN. Remedy: Lower the learning rate.',
    '- waits for `npx puzzleflow retry mine distill/a` or `npx puzzleflow skip mine distill/a`',
    '- waits for `npx puzzleflow retry mine distill/b` or `npx puzzleflow skip mine distill/b`',
  ])
})

test('a stage that can do without none of its tasks offers no skip; its only task has its name', () => {
  expect(below({ trouble, waiting: ['distill'] }).at(-1)).toBe('- waits for `npx puzzleflow retry mine distill`')
})

test('of many tasks that wait ten are named', () => {
  const waiting = Array.from({ length: 12 }, (_, i) => `task${i}`)
  expect(below({ trouble, waiting }).slice(10)).toEqual([
    '- waits for `npx puzzleflow retry mine distill/task9`',
    '- and 2 more: `npx puzzleflow status mine`',
  ])
})
