import { expect, test } from 'vitest'
import { CheckpointKeeper } from '../../activities/checkpoint-keeper.js'
import { digestJson } from '../../store/digest.js'

/** A keeper whose clock and savings a test moves by hand. */
async function keeper() {
  const seen = { time: 0, fetched: 0, begun: 0, log: [] as string[] }
  let end: (error?: Error) => void = () => undefined
  const store = {
    fetchCheckpoint: async () => void seen.fetched++,
    saveCheckpoint: () => {
      seen.begun++
      return new Promise<void>((resolve, reject) => (end = (error) => (error ? reject(error) : resolve())))
    },
  }
  const own = await CheckpointKeeper.start(
    store,
    digestJson('key'),
    (text) => seen.log.push(text),
    () => seen.time,
  )
  const finish = async (seconds: number, error?: Error) => {
    seen.time += seconds * 1000
    end(error)
    await new Promise((resolve) => setImmediate(resolve))
  }
  /** So many seconds later the task tells that it has got on. @returns savings begun so far */
  const progress = (seconds: number) => {
    seen.time += seconds * 1000
    own.offer()
    return seen.begun
  }
  return { own, seen, finish, progress }
}

test('what another machine has left is brought before the task begins', async () => {
  expect((await keeper()).seen.fetched).toBe(1)
})

test('the checkpoint is saved when the task gets on, half a minute apart', async () => {
  const { progress, finish } = await keeper()
  expect([progress(29), progress(1)]).toEqual([0, 1])
  await finish(1)
  expect([progress(29), progress(1)]).toEqual([1, 2])
})

test('savings that take long are ten times as far apart', async () => {
  const { progress, finish } = await keeper()
  progress(30)
  await finish(60)
  expect([progress(599), progress(1)]).toEqual([1, 2])
})

test('one saving at a time', async () => {
  const { progress } = await keeper()
  progress(30)
  expect(progress(1000)).toBe(1)
})

test('a saving that fails is told, and tried again later', async () => {
  const { progress, finish, seen } = await keeper()
  progress(30)
  await finish(1, new Error('no answer'))
  expect(seen.log).toEqual(['the checkpoint cannot be saved: no answer'])
  expect(progress(30)).toBe(2)
})

test('when the attempt comes to nothing its last checkpoint is saved, after the saving that goes on', async () => {
  const { own, progress, finish, seen } = await keeper()
  progress(30)
  const last = own.saveLast()
  await finish(1)
  expect(seen.begun).toBe(2)
  await finish(1)
  await last
})

test('at the end a saving that goes on is waited for, and none follows', async () => {
  const { own, progress, finish } = await keeper()
  progress(30)
  let ended = false
  const end = own.end().then(() => (ended = true))
  expect(ended).toBe(false)
  await finish(1)
  await end
  expect(progress(1000)).toBe(1)
})
