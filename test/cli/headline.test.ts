import { expect, test } from 'vitest'
import { headline } from '../../cli/headline.js'

const ratios = { throughput: 2.531, memory: 0.351, parameters: 0.375, accuracy: 0.9972 }
const measured = { parent: { perplexity: 2.655 }, child: { perplexity: 2.681 } }

test('a child is described in a line, by what it takes and what it keeps', () => {
  expect(headline({ ratios, ...measured })).toBe(
    'The child: 2.53x the throughput, 35.1 % of the memory, 37.5 % of the parameters; 99.7 % of the accuracy, 1.010x the perplexity.',
  )
})

test('without tasks nothing is said of accuracy, and nothing at all of what is no search', () => {
  expect(headline({ ratios: { ...ratios, accuracy: null }, ...measured })).toMatch(
    /of the parameters; 1\.010x the perplexity\.$/,
  )
  expect(headline({ run: 'words', stages: {} })).toBeUndefined()
})
