import { expect, test } from 'vitest'
import { recentJson } from '../../activities/recent.js'
import { digestJson } from '../../store/digest.js'
import type { ArtifactRef } from '../../store/index.js'

const refOf = (value: unknown): ArtifactRef => ({ digest: digestJson(value), kind: 'test', bytes: 1 })

test('a document that many tasks read is read once, and the sixteen read last are kept', async () => {
  const seen: string[] = []
  const read = recentJson({ readJson: ({ digest }) => (seen.push(digest), Promise.resolve(digest)) })
  const refs = Array.from({ length: 17 }, (_, i) => refOf(i))
  for (const ref of refs.slice(0, 16)) expect(await read(ref)).toBe(ref.digest)
  await read(refs[0]!)
  expect(seen).toHaveLength(16)
  // Of those that are kept the second one was not read for longest.
  await read(refs[16]!)
  await read(refs[0]!)
  expect(seen).toHaveLength(17)
  await read(refs[1]!)
  expect(seen).toHaveLength(18)
})

test('a document that could not be read is read again', async () => {
  let fails = true
  const read = recentJson({ readJson: () => (fails ? Promise.reject(new Error('away')) : Promise.resolve('here')) })
  await expect(read(refOf('x'))).rejects.toThrow('away')
  fails = false
  expect(await read(refOf('x'))).toBe('here')
})
