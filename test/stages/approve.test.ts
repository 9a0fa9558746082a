import { expect, test } from 'vitest'
import type { StageContext } from '../../api/index.js'
import { approve } from '../../plugins/stages/approve.js'

test('a question shows values with as many digits as people read', () => {
  const params = { question: 'Go on?', show: { 'sum of scores': 0.015094565854299403, held: true, name: 'a|b' } }
  expect(approve.ask({ params } as unknown as StageContext<typeof params>)).toBe(
    'Go on? sum of scores: 0.01509. held: true. name: "a\\|b".',
  )
})
