import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import { FileStore } from '../../store/index.js'
import { costTable, fakeSpace } from './fakes.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const store = new FileStore(temporaryFolder())
/** A space whose cheapest variants cost something, though the table has cheaper ones. */
const withoutNoOps: JsonObject = { attention: [{ block: 'linear' }], ffn: [{ block: 'swiglu', width: [16] }] }

const open = async (limits: JsonObject, space = withoutNoOps, choices?: readonly JsonObject[]) => {
  const target = { scenario: { ...costTable.scenario }, limits, ...(choices && { choices: [...choices] }) }
  const search = await Search.open(world.folder, tinySpec({ target, space }), { store })
  search.give('profile', { files: { costs: await store.putJson('costs', costTable) } })
  return search
}

test('the gate comes before anything is captured or trained', async () => {
  const { plan } = await open({})
  const order = plan.stages.map(({ name }) => name)
  expect(order.indexOf('check-limits')).toBeGreaterThan(order.indexOf('profile'))
  for (const later of ['capture', 'distill', 'score', 'solve'])
    expect(order.indexOf('check-limits')).toBeLessThan(order.indexOf(later))
  expect(plan.stages.find(({ name }) => name === 'capture')!.needs).toContain('check-limits')
})

// The least is 1 + 3 x (1 + 1) = 7 seconds, 100 + 3 x (10 + 8) = 154 bytes, 10 + 3 x (50 + 80) = 400 parameters.
test.each<[JsonObject, string]>([
  [
    { throughput: '>= 1.6 tokens/s' },
    'throughput >= 1.6 tokens/s cannot be met: the best any choice reaches is 1.143, the limit is 1.6 (over by 40 % in runtime)',
  ],
  [
    { throughput: '>= 3.2x' },
    'throughput >= 3.2x of the parent cannot be met: the best any choice reaches is 1.143, the limit is 1.6 tokens/s (over by 40 % in runtime)',
  ],
  [
    { latency: '<= 5s' },
    'latency <= 5 seconds cannot be met: the best any choice reaches is 7, the limit is 5 (over by 40 % in runtime)',
  ],
  [
    { prefill: '<= 1500 ms' },
    'prefill <= 1.5 seconds cannot be met: the best any choice reaches is 1.75, the limit is 1.5 (over by 16.7 % in prefill)',
  ],
  [
    { tokenLatency: '<= 1050 ms' },
    'tokenLatency <= 1.05 seconds cannot be met: the best any choice reaches is 1.313, the limit is 1.05 (over by 25 % in decoding)',
  ],
  [
    { memory: '<= 60%' },
    'memory <= 0.6x of the parent cannot be met: the best any choice reaches is 154, the limit is 150 bytes (over by 2.67 % in memory)',
  ],
  [
    { parameters: '<= 300' },
    'parameters <= 300 cannot be met: the best any choice reaches is 400, the limit is 300 (over by 33.3 % in parameters)',
  ],
])('a limit that no choice meets is infeasible, by name and by how much: %j', async (limits, message) => {
  const search = await open(limits)
  await expect(search.outputs('check-limits')).rejects.toMatchObject({
    kind: 'Infeasible',
    message,
    remedy: 'Loosen these limits, or add cheaper block types to `space` (no-op is the cheapest).',
  })
})

test('a limit that could be met but for a rule is infeasible with the rule', async () => {
  const rules = [{ slot: 'attention', layers: [0, 1], only: 'parent' }]
  expect(await (await open({ parameters: '<= 410' })).outputs('check-limits')).toMatchObject({ values: {} })
  await expect(
    (await open({ parameters: '<= 410' }, withoutNoOps, rules)).outputs('check-limits'),
  ).rejects.toMatchObject({
    kind: 'Infeasible',
    message:
      'parameters <= 410 cannot be met: the best any choice reaches is 900, the limit is 410 (over by 120 % in parameters), given that target.choices rules out some blocks',
  })
})

test('all limits that cannot be met are named at once', async () => {
  const search = await open({ memory: '<= 60%', parameters: '<= 20%', latency: '<= 1 h' })
  const error: unknown = await search.outputs('check-limits').catch((e: unknown) => e)
  expect((error as Error).message.split('; ').map((line) => line.split(' ')[0])).toEqual(['memory', 'parameters'])
})

test('limits that are met to the last byte pass', async () => {
  for (const limits of [
    { latency: '<= 7s' },
    { prefill: '<= 1.75s' },
    { tokenLatency: '<= 1312.5 ms' },
    { memory: '<= 154 B' },
    { parameters: '<= 400' },
  ])
    expect(await (await open(limits)).outputs('check-limits')).toEqual({ values: {}, files: {} })
})

test('what comes after the gate does not depend on the limits', async () => {
  const keys = async (limits: JsonObject) => {
    const search = await open(limits, fakeSpace)
    return search.key('capture', (await search.tasks('capture'))[0]!)
  }
  expect(await keys({ memory: '<= 60%' })).toBe(await keys({ throughput: '>= 1.1x' }))
})
