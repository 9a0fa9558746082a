import { expect, test } from 'vitest'
import { averageWork, runLeft } from '../../../cli/progress/run-left.js'
import { halfWay, sighting, stage, task } from './sightings.js'

const record = (type: string, kind: string, seconds: number) => ({ components: { stage: type, kind }, seconds })
const stages = ['prepare', 'profile', 'distill', 'score', 'solve'].map((name) => ({ name, uses: `type of ${name}` }))

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
  expect(runLeft(sighting(), exclusive, before, 2)).toEqual({ seconds: 180 + 30 + 10, atLeast: false })
})

test('it takes at least what is known, where a stage was never done before', () => {
  expect(runLeft(sighting(), stages, new Map(), 2)).toEqual({ seconds: 180, atLeast: true })
  const long = [task('distill/a', { said: { fraction: 0.1, text: '' }, seconds: 100 })]
  expect(runLeft(sighting(halfWay, long), stages, new Map(), 2)).toEqual({ seconds: 900, atLeast: true })
})

test('where nothing is known, or nothing is left, nothing is said', () => {
  expect(runLeft(sighting([stage('score')]), stages, new Map(), 2)).toBeUndefined()
  expect(runLeft(sighting([stage('solve', { state: 'done' })]), stages, new Map(), 2)).toBeUndefined()
})
