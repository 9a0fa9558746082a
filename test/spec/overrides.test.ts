import { expect, test } from 'vitest'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { compileSpec } from '../../spec/plan.js'
import { goodSpec, specFolder } from './good-spec.js'
import { registry } from './registry.js'

const compile = async (...overrides: readonly string[]) => {
  const { file } = await specFolder(goodSpec)
  return compileSpec(file, registry, overrides)
}
const problems = async (...overrides: readonly string[]) =>
  (await compile(...overrides)).diagnostics.map(formatDiagnostic)
const stageOf = async (name: string, ...overrides: readonly string[]) => {
  const { plan, diagnostics } = await compile(...overrides)
  expect(diagnostics).toEqual([])
  return plan!.stages.find((stage) => stage.name === name)!
}

test('a value takes the place of the spec’s, or comes to it', async () => {
  expect((await stageOf('distill', 'stages.distill.tokens=20k')).params.tokens).toBe(20_000)
  const { plan } = await compile('seed=11', 'name=other')
  expect(plan).toMatchObject({ seed: 11, name: 'other' })
})

test('the same values written in the spec and given make the same plan', async () => {
  const { file } = await specFolder(goodSpec.replace('seed: 7', 'seed: 11'))
  const { plan: written } = await compileSpec(file, registry)
  expect((await compile('seed=11')).plan!.digest).toBe(written!.digest)
  expect((await compile()).plan!.digest).not.toBe(written!.digest)
})

test('a lower bound may be given without quotes, which a shell takes away', async () => {
  const { file } = await specFolder(goodSpec.replace('>= 1.7x', '>= 3x'))
  const { plan: written } = await compileSpec(file, registry)
  expect((await compile('target.limits.throughput=>= 3x')).plan?.digest).toBe(written!.digest)
  expect(await problems('target.limits.throughput=>= 3y')).toEqual([
    expect.stringMatching(
      /^--set:1:26 wrong-unit target\.limits\.throughput: ">= 3y" is not a valid limit on throughput/,
    ),
  ])
})

test('of two for the same key the last counts, as it does within a value', async () => {
  expect((await compile('seed=1', 'seed=2')).plan!.seed).toBe(2)
})

test.each<[string, string[], string[]]>([
  [
    'a wrong value',
    ['seed=11', 'stages.distill.tokens=many'],
    [expect.stringMatching(/^--set:2:23 wrong-\w+ stages\.distill\.tokens /)],
  ],
  [
    'an unknown key',
    ['stages.distill.tokns=1k'],
    ['--set:1:16 unknown-key stages.distill has no key "tokns". (did you mean "tokens"?)'],
  ],
  ['an unknown stage', ['stages.distil.tokens=1k'], [expect.stringMatching(/^--set:1:8 .*did you mean "distill"/)]],
  ['a missing file', ['model=./elsewhere'], [expect.stringMatching(/^--set:1:7 missing-file /)]],
  [
    'no value',
    ['seed'],
    ['--set:1:1 wrong-override "seed" has no "=". (write KEY=VALUE: --set stages.distill.tokens=20k)'],
  ],
  [
    'an empty part',
    ['stages..tokens=1'],
    [expect.stringMatching(/^--set:1:1 wrong-override A part of the key is empty\./)],
  ],
  [
    'a key of a single value',
    ['seed.more=1'],
    ['--set:1:1 wrong-override seed is a single value: it has no keys. (set it as a whole)'],
  ],
  [
    'an item that is not there',
    ['space.ffn.9=no-op'],
    [
      expect.stringMatching(
        /^--set:1:11 wrong-override space\.ffn is a list without an item "9"\. \(write a number from 0 to /,
      ),
    ],
  ],
  ['YAML that cannot be read', ['stages.distill.tokens=[1'], [expect.stringMatching(/^--set:1:\d+ /)]],
  [
    'a key of every object',
    ['__proto__.x=1'],
    [expect.stringMatching(/^--set:1:1 wrong-value The key "__proto__" is not allowed\./)],
  ],
  ['a trap of YAML', ['seed=1,5'], [expect.stringMatching(/^--set:1:6 .*write numbers with a decimal point/)]],
])('a mistake has its place in the option: %s', async (_, overrides, expected) => {
  expect(await problems(...overrides)).toEqual(expected)
})
