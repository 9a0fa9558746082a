import { expect, test } from 'vitest'
import { checkResources } from '../../plugins/inspect/resources.js'

const gib = 2 ** 30
const needs = [
  { stage: 'capture', disk: 3 * gib, memory: 0 },
  { stage: 'uptrain', disk: gib / 2, memory: 20 * gib },
]

test('a machine that has what all stages store and what each holds at once will do', () => {
  checkResources('/store', needs, { disk: 3.5 * gib, memory: 20 * gib })
})

test('a disk that does not hold what all stages store together is refused, with what each needs', () => {
  expect(() => checkResources('/store', needs, { disk: 3.4 * gib, memory: 99 * gib })).toThrow(
    expect.objectContaining({
      kind: 'OutOfDisk',
      message: '/store has 3.4 GiB free, but this needs about 3.5 GiB (capture 3 GiB, uptrain 512 MiB)',
    }) as Error,
  )
})

test('a memory that does not hold what one stage needs is refused, and the stage named', () => {
  expect(() => checkResources('/store', needs, { disk: 99 * gib, memory: 16 * gib })).toThrow(
    expect.objectContaining({
      kind: 'OutOfMemory',
      message: 'This machine has 16 GiB of memory, but uptrain needs about 20 GiB',
      remedy: 'Run it on a larger machine, or leave the stage out: `stages: { uptrain: false }`.',
    }) as Error,
  )
})
