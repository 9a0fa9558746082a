import { expect, test } from 'vitest'
import { averageWork, runLeft } from '../../../cli/progress/run-left.js'
import { halfWay, sighting, stage, task } from './sightings.js'

const record = (type: string, kind: string, seconds: number) => ({ components: { stage: type, kind }, seconds })
const stages = ['prepare', 'profile', 'distill', 'score', 'solve'].map((name) => ({ name, uses: `type of ${name}` }))
const nothing = { expected: new Map(), before: new Map() }

test('the work of a stage is that of its tasks and its gathering, on average of those that were done', () => {
  const records = [
    ...[record('distill', 'run', 10), record('distill', 'run', 20), record('distill', 'gather', 2)],
    ...[record('distill', 'run', 7), record('distill', 'gather', 1), record('score', 'run', 5)],
  ]
  expect(averageWork(records)).toEqual(new Map([['distill', 20]]))
})

test('a run takes what its stage at work takes, and what the others took before, side by side where they may be', () => {
  const before = new Map([
    ['type of score', 60],
    ['type of solve', 10],
  ])
  const exclusive = stages.map((own) => ({ ...own, exclusive: own.name === 'solve' }))
  const known = { expected: new Map(), before }
  expect(runLeft(sighting(), exclusive, known, 2)).toEqual({ seconds: 180 + 30 + 10, atLeast: false })
})

test('what was expected of stages counts before what they were, as much longer as those that are done took', () => {
  const expected = new Map(Object.entries({ prepare: 5, profile: 50, distill: 100, score: 35, solve: 0 }))
  const before = new Map([['type of score', 1000]])
  const progress = (seconds: number) =>
    sighting([
      // Nothing was done here, so it says nothing.
      stage('prepare', { state: 'done', done: 1, total: 1, reused: 1 }),
      stage('profile', { state: 'done', done: 24, total: 24, reused: 12, seconds }),
      ...halfWay.slice(2),
    ])
  const exclusive = stages.map((own) => ({ ...own, exclusive: own.name === 'profile' }))
  const left = (seconds: number) => runLeft(progress(seconds), exclusive, { expected, before }, 2)
  expect(left(25)).toEqual({ seconds: 180 + 35, atLeast: false })
  // 55 s for 25, where 19 more are taken to have come true.
  expect(left(55)!.seconds).toBeCloseTo(180 + (35 * (55 + 19)) / (25 + 19))
  const shared = runLeft(progress(55), stages, { expected, before }, 2)!
  expect(shared.seconds, 'two tasks at a time').toBeCloseTo(180 + (35 * (55 / 2 + 19)) / (25 + 19))
})

test('further training that nobody expected does not make the other stages longer', () => {
  const done = stage('prepare', { state: 'done', done: 1, total: 1, seconds: 1000 })
  const known = {
    expected: new Map([
      ['prepare', 0],
      ['score', 30],
    ]),
    before: new Map(),
  }
  expect(runLeft(sighting([done, stage('score')]), stages, known, 2)).toEqual({ seconds: 30, atLeast: false })
})

test('it takes at least what is known, where a stage was never done before', () => {
  expect(runLeft(sighting(), stages, nothing, 2)).toEqual({ seconds: 180, atLeast: true })
  const long = [task('distill/a', { said: { fraction: 0.1, text: '' }, seconds: 100 })]
  expect(runLeft(sighting(halfWay, long), stages, nothing, 2)).toEqual({ seconds: 900, atLeast: true })
})

test('where nothing is known, or nothing is left, nothing is said', () => {
  expect(runLeft(sighting([stage('score')]), stages, nothing, 2)).toBeUndefined()
  expect(runLeft(sighting([stage('solve', { state: 'done' })]), stages, nothing, 2)).toBeUndefined()
})
