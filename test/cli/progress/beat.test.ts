import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Beat } from '../../../cli/progress/beat.js'
import { halfWay, sighting, stage, task } from './sightings.js'

let said: string[]
let beat: Beat
beforeEach(() => {
  vi.useFakeTimers()
  vi.stubEnv('npm_command', 'exec')
  said = []
  beat = new Beat((line) => said.push(line))
})
afterEach(() => {
  beat.end()
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

test('a line is written every ten seconds, whatever happens in between, and never two', () => {
  for (let second = 0; second < 60; second++) {
    beat.see(sighting(halfWay.map((own) => ({ ...own, done: own.done + second }))))
    vi.advanceTimersByTime(1000)
  }
  expect(said).toHaveLength(7)
  expect(said[0]).toBe('[ 43 %] 2 of 5 stages done; running: distill 120/288 (about 3 min left)')
  expect(said[1]).toMatch(/distill 129\/288/)
})

test('the next line names the stages that have finished since', () => {
  beat.see(sighting())
  const [, , distill, score, solve] = halfWay
  const done = (own = score!) => ({ ...own, state: 'done' as const })
  beat.see(sighting([...halfWay.slice(0, 2), done(distill), done(), { ...solve!, state: 'running' }]))
  vi.advanceTimersByTime(20_000)
  expect(said.slice(1)).toEqual([
    '[ 43 %] 4 of 5 stages done (now distill, score); running: solve',
    '[ 43 %] 4 of 5 stages done; running: solve',
  ])
})

test('it says what the task says that has got furthest', () => {
  beat.see(sighting())
  const said = { fraction: 0.5, text: 'step 2 of 4, loss 0.3' }
  beat.see(sighting(halfWay, [task('distill/a'), task('distill/b', { said, seconds: 2 })]))
  vi.advanceTimersByTime(10_000)
  expect(lastSaid()).toBe(
    '[ 43 %] 2 of 5 stages done; running: distill 120/288 (about 3 min left); distill/b: step 2 of 4, loss 0.3',
  )
})

test('what a task says that goes on after a failure is said, too; what the failed attempt said is not', () => {
  beat.see(sighting())
  const said = { fraction: 0.5, text: 'step 2 of 4' }
  const failed = { said, seconds: 2, attempt: 2, failure: 'activity Heartbeat timeout' }
  beat.see(sighting(halfWay, [task('distill/b', { ...failed, atWork: false })]))
  vi.advanceTimersByTime(10_000)
  expect(lastSaid()).not.toMatch(/step/)
  beat.see(sighting(halfWay, [task('distill/b', { ...failed, atWork: true })]))
  vi.advanceTimersByTime(10_000)
  expect(lastSaid()).toMatch(/distill\/b: step 2 of 4$/)
})

test('it is not silent before a worker answers', () => {
  const unseen = { ...sighting(), progress: undefined }
  for (let second = 0; second < 20; second++) {
    beat.see(unseen)
    vi.advanceTimersByTime(1000)
  }
  expect(said).toEqual(['Waiting for a worker to answer.', 'Waiting for a worker to answer.'])
})

test('failures and questions are said at once, each once', () => {
  beat.see(sighting())
  const asking = [...halfWay, stage('check', { state: 'asking', question: 'Go on?' })]
  for (let i = 0; i < 3; i++) {
    beat.see(sighting(asking, [task('distill/b', { attempt: 2, failure: 'no memory', atWork: false })]))
    vi.advanceTimersByTime(1000)
  }
  expect(said.slice(1)).toEqual([
    'distill/b failed, attempt 2 follows: no memory',
    'check: Go on? Answer: npx puzzleflow approve tiny check',
  ])
})

test('a failure that was told is not told again when the next attempt is at work; one that was missed is told then', () => {
  beat.see(sighting())
  const failed = { attempt: 2, failure: 'no memory' }
  beat.see(sighting(halfWay, [task('distill/b', { ...failed, atWork: false })]))
  beat.see(sighting(halfWay, [task('distill/b', failed), task('distill/c', failed)]))
  expect(said.slice(1)).toEqual([
    'distill/b failed, attempt 2 follows: no memory',
    'distill/c failed, attempt 2 is at work: no memory',
  ])
})

test('a run that waits for a person says so every ten minutes', () => {
  const asking = [stage('first', { state: 'done' }), stage('check', { state: 'asking', question: 'Go on?' })]
  beat.see(sighting(asking))
  vi.advanceTimersByTime(1_190_000)
  expect(said.filter((line) => line.startsWith('['))).toEqual([
    '[ 43 %] 1 of 2 stages done; waiting for approval: check',
    '[ 43 %] 1 of 2 stages done; waiting for approval: check',
  ])
})

const lastSaid = () => said.at(-1)
