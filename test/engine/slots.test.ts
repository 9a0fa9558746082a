import { expect, test } from 'vitest'
import { KeyLocks, Slots } from '../../activities/slots.js'

const forever = new AbortController().signal

/** Takes a place and notes when it has it. */
function taker(slots: Slots, entered: string[]) {
  return async (name: string, exclusive = false, signal = forever) => {
    const release = await slots.take(exclusive, signal)
    entered.push(name)
    return release
  }
}
/** Lets everything happen that can happen now. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

test('as many tasks run side by side as there are places, the others in turn', async () => {
  const entered: string[] = []
  const take = taker(new Slots(2), entered)
  const [first] = [await take('a'), await take('b')]
  void take('c')
  void take('d')
  await settle()
  expect(entered).toEqual(['a', 'b'])
  first()
  await settle()
  expect(entered).toEqual(['a', 'b', 'c'])
})

test('an exclusive task waits until all places are free, and keeps others out', async () => {
  const entered: string[] = []
  const take = taker(new Slots(2), entered)
  const leave = await take('a')
  const alone = take('alone', true)
  const after = take('after')
  await settle()
  expect(entered).toEqual(['a'])
  leave()
  const done = await alone
  await settle()
  expect(entered).toEqual(['a', 'alone'])
  done()
  await after
  expect(entered).toEqual(['a', 'alone', 'after'])
})

test('one that is cancelled while it waits leaves the queue, and those behind it move up', async () => {
  const entered: string[] = []
  const take = taker(new Slots(2), entered)
  await take('a')
  const cancel = new AbortController()
  const alone = take('alone', true, cancel.signal)
  const behind = take('behind')
  cancel.abort(new Error('cancelled'))
  await expect(alone).rejects.toThrow('cancelled')
  await behind
  expect(entered).toEqual(['a', 'behind'])
})

test('one that was cancelled before takes no place', async () => {
  const slots = new Slots(1)
  await expect(slots.take(false, AbortSignal.abort(new Error('cancelled')))).rejects.toThrow('cancelled')
  expect(slots.free).toBe(true)
})

test('a key is held by one at a time, other keys are not concerned', async () => {
  const locks = new KeyLocks()
  const release = await locks.take('a', forever)
  let second = false
  const waiting = locks.take('a', forever).then((leave) => {
    second = true
    return leave
  })
  await locks.take('b', forever)
  expect(second).toBe(false)
  release()
  ;(await waiting)()
  expect(second).toBe(true)
})
