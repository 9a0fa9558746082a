import { expect, test } from 'vitest'
import { Admission } from '../../activities/admission.js'

const never = new AbortController().signal

test('as many tasks are admitted as there are places; the next one when one has ended', async () => {
  const admission = new Admission(2)
  await admission.reserveSlot(undefined, never)
  await admission.reserveSlot(undefined, never)
  expect(admission.tryReserveSlot()).toBeNull()
  let isIn = false
  const third = admission.reserveSlot(undefined, never).then(() => (isIn = true))
  await Promise.resolve()
  expect(isIn).toBe(false)
  admission.releaseSlot()
  await third
  expect(admission.tryReserveSlot()).toBeNull()
})

test('a poll that is given up at the end waits no more, and takes no place', async () => {
  const admission = new Admission(1)
  await admission.reserveSlot(undefined, never)
  const end = new AbortController()
  const waiting = admission.reserveSlot(undefined, end.signal)
  end.abort(new Error('the worker ends'))
  await expect(waiting).rejects.toThrow('the worker ends')
  admission.releaseSlot()
  expect(admission.tryReserveSlot()).not.toBeNull()
})

test('a task that waits for another one lends its admission, and has it back though all are taken', async () => {
  const admission = new Admission(1)
  await admission.reserveSlot(undefined, never)
  const back = admission.lend()
  expect(admission.tryReserveSlot()).not.toBeNull()
  back()
  // Two of one are taken: both have to end before another one comes.
  admission.releaseSlot()
  expect(admission.tryReserveSlot()).toBeNull()
  admission.releaseSlot()
  expect(admission.tryReserveSlot()).not.toBeNull()
})
