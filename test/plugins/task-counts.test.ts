import { expect, test } from 'vitest'
import { tooManyTasks } from '../../plugins/inspect/task-counts.js'

const stages = (distill: object = {}, score: object = {}) =>
  [
    { name: 'distill', uses: 'distill', params: { mode: 'decoupled', ...distill } },
    { name: 'score', uses: 'score', params: { pairs: 2, ...score } },
    { name: 'solve', uses: 'solve', params: {} },
  ] as const

test('a model of 80 layers with the default number of variants can be searched', () => {
  expect(tooManyTasks(stages(), 80, { attention: 200, ffn: 200 })).toEqual([])
})

test('every pair of a few variants can be trained and scored', () => {
  expect(tooManyTasks(stages({ mode: 'coupled' }, { pairs: 'all' }), 80, { attention: 30, ffn: 30 })).toEqual([])
})

test('every pair of many variants is refused where the spec asks for pairs', () => {
  const [of, ...more] = tooManyTasks(stages({ mode: 'coupled' }), 80, { attention: 100, ffn: 100 })
  expect(more).toEqual([])
  expect(of).toEqual({
    path: ['stages', 'distill', 'mode'],
    code: 'too-many-tasks',
    message:
      'With 100 variants of attention and 100 variants of ffn in each of 80 layers, distill has about 816000 tasks; a stage can have at most 100000.',
    hint: 'leave mode out, or shorten the lists of `space`',
  })
  expect(tooManyTasks(stages({}, { pairs: 'all' }), 80, { attention: 100, ffn: 100 })).toMatchObject([
    { path: ['stages', 'score', 'pairs'] },
  ])
})

test('more variants than a stage can have tasks are refused where the space lists them', () => {
  const found = tooManyTasks(stages(), 1000, { attention: 100, ffn: 1 })
  expect(found.map(({ path, message }) => [path, message.match(/, (\w+) has/)![1]])).toEqual([
    [['space'], 'distill'],
    [['space'], 'score'],
  ])
})
