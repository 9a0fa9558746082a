import { expect, test } from 'vitest'
import { builtInPipeline } from '../../plugins/registry.js'
import { readDocument } from '../../spec/document.js'
import { limitKinds, parseLimitOption, spacedValues, type LimitRange } from '../../spec/limit-range.js'

const pipeline = builtInPipeline('puzzle')!
const kinds = limitKinds(readDocument(pipeline.file, pipeline.text))
const read = (text: string) => parseLimitOption(text, kinds)
const range = (text: string): LimitRange => {
  const option = read(text)
  if (option.kind !== 'range') throw new Error(`${text} is not a range`)
  return option.range
}

test('the limits that can be swept are those of the pipeline', () => {
  expect(kinds).toMatchObject({
    throughput: 'throughput-limit',
    memory: 'memory-limit',
    latency: 'latency-limit',
    parameters: 'parameters-limit',
  })
})

test.each([
  ['throughput=1.5x..4x', 'min', 'parent', 1.5, 4],
  ['throughput=1.5..4x', 'min', 'parent', 1.5, 4],
  ['throughput=>= 150% .. 4x', 'min', 'parent', 1.5, 4],
  ['throughput=500 tokens/s..2k tokens/s', 'min', 'tokens/s', 500, 2000],
  ['throughput=500..2k tokens/s', 'min', 'tokens/s', 500, 2000],
  ['throughput=1..2k tokens/s', 'min', 'tokens/s', 1000, 2000],
  ['memory=60%..90%', 'max', 'parent', 0.6, 0.9],
  ['memory=500 MiB..1GiB', 'max', 'bytes', 500 * 2 ** 20, 2 ** 30],
  ['latency=.5..2 s', 'max', 'seconds', 0.5, 2],
  ['latency=500 ms..2 s', 'max', 'seconds', 0.5, 2],
  ['parameters=3..6B', 'max', 'parameters', 3e9, 6e9],
])('%s is a range', (text, bound, unit, from, to) => {
  const { from: first, to: last } = range(text)
  expect([first, last]).toEqual([
    { bound, unit, value: from },
    { bound, unit, value: to },
  ])
})

test('a limit with one value is fixed', () => {
  expect(read('memory=<= 80%')).toEqual({
    kind: 'fixed',
    name: 'memory',
    limit: { bound: 'max', unit: 'parent', value: 0.8 },
  })
})

test.each([
  ['throughput', 'it must be NAME=FROM..TO or NAME=VALUE', 'For instance: --limit throughput=1.5x..4x.'],
  ['=1x..2x', 'it must be NAME=FROM..TO or NAME=VALUE', 'For instance: --limit throughput=1.5x..4x.'],
  ['trouhgput=1x..2x', 'there is no limit "trouhgput"', /^Limits: throughput, .*\(did you mean "throughput"\?\)\.$/],
  ['quality=90%..99%', 'there is no limit "quality"', /^Limits: throughput, /],
  ['constructor=1x..2x', 'there is no limit "constructor"', /^Limits: throughput, /],
  ['throughput=4x..1.5x', 'FROM must be less than TO', 'Write the smaller value first: --limit throughput=1.5x..4x.'],
  ['throughput=2x..2x', 'FROM must be less than TO', 'To fix this limit, write --limit throughput=2x.'],
  [
    'throughput=<= 1.5x..4x',
    '"<= 1.5x" is not a valid limit on throughput: it must be a lower bound (>=)',
    /^Allowed: ">= 1.7x"/,
  ],
  ['memory=10%..20 GiB', /^one end is relative/, 'Write both as shares of the parent, or both absolutely.'],
  ['memory=10 furlongs..20%', '"10 furlongs" is not a valid limit on memory: unknown unit "furlongs"', /^Allowed: /],
  ['throughput=1.5x..', '"" is not a valid limit on throughput', /^Allowed: /],
  ['throughput=..4x', '"" is not a valid limit on throughput', /^Allowed: /],
  ['throughput=0..4x', '"0x" is not a valid limit on throughput: it must be above 0', /^Allowed: /],
  ['throughput=1x..2000x', /more than 1000 times the parent/, /^Allowed: /],
])('%s is refused, with a remedy', (text, message, remedy) => {
  const matching = (expected: string | RegExp) =>
    typeof expected === 'string' ? expected : (expect.stringMatching(expected) as string)
  expect(() => read(text)).toThrow(
    expect.objectContaining({
      kind: 'InvalidInput',
      message:
        typeof message === 'string'
          ? `--limit ${text}: ${message}`
          : (expect.stringMatching(message.source.replace('^', ': ')) as string),
      remedy: matching(remedy),
    }) as Error,
  )
})

test('points are the same multiple of each other, from one end to the other', () => {
  const values = spacedValues(range('throughput=1.5x..4x'), 8)
  expect(values).toEqual([1.5, 1.726, 1.985, 2.284, 2.627, 3.022, 3.477, 4])
  for (const [i, value] of values.entries())
    if (i > 0) expect(value / values[i - 1]!).toBeCloseTo((4 / 1.5) ** (1 / 7), 2)
  expect(spacedValues(range('memory=61.25%..90%'), 2)).toEqual([0.6125, 0.9])
})

test('points that would be the same are refused', () => {
  for (const [text, points] of [
    ['throughput=1.5x..1.501x', 50],
    ['throughput=1x..900x', 1001],
  ] as const)
    expect(() => spacedValues(range(text), points)).toThrow(
      expect.objectContaining({
        kind: 'InvalidInput',
        message: `The range has no room for ${points} different points`,
      }) as Error,
    )
})
