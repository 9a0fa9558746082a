import { expect, test } from 'vitest'
import { ProgressByEvents } from '../../cli/progress-by-events.js'
import type { SearchProgress } from '../../workflows/types.js'

/** A run whose worker answers with how often it was asked; undefined while it is away. */
function run() {
  const worker = { asked: 0, away: false }
  const where = new ProgressByEvents(() => {
    worker.asked++
    return Promise.resolve(worker.away ? undefined : ({ fraction: worker.asked } as SearchProgress))
  })
  return { worker, where, now: async () => (await where.now())?.fraction }
}

test('the worker of a run is asked once for each number of events', async () => {
  const { where, now } = run()
  where.onEvents(5)
  expect([await now(), await now()]).toEqual([1, 1])
  where.onEvents(6)
  expect([await now(), await now()]).toEqual([2, 2])
})

test('what happens while it is asked is asked for again', async () => {
  const { where, now } = run()
  where.onEvents(5)
  const asking = now()
  where.onEvents(6)
  expect([await asking, await now(), await now()]).toEqual([1, 2, 2])
})

test('it is asked each time while the server does not say how many events there are, and while it does not answer', async () => {
  const { worker, where, now } = run()
  expect([await now(), await now()]).toEqual([1, 2])
  where.onEvents(5)
  worker.away = true
  expect([await now(), await now()]).toEqual([undefined, undefined])
  worker.away = false
  expect([await now(), await now()]).toEqual([5, 5])
})
