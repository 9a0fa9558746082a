import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import { costTable, fakeSpace } from './fakes.js'
import { Search } from './run-stage.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const said = async (...choices: JsonObject[]): Promise<string> => {
  const spec = tinySpec({ space: fakeSpace, target: { scenario: { ...costTable.scenario }, choices } })
  const error: unknown = await Search.open(world.folder, spec).catch((reason: unknown) => reason)
  return error instanceof Error ? error.message.replaceAll(`${world.folder}/`, '') : 'nothing'
}

test.each<[string, JsonObject[], RegExp]>([
  [
    'a key that no rule has',
    [{ slot: 'ffn', block: 'no-op', atleast: 1 }],
    /^search\.yaml:1:\d+ unknown-key target\.choices\.0 has no key "atleast"\. \(did you mean "atLeast"\?\)$/,
  ],
  [
    'a layer that the parent does not have',
    [{ slot: 'ffn', layers: '1-3', only: 'parent' }],
    /^search\.yaml:1:\d+ impossible-choice there is no layer 3: the parent's layers are 0 to 2 \(Write a layer, a range such as 4-7, or a list of these\.\)$/,
  ],
  [
    'a block that is not in the space',
    [{ slot: 'attention', forbid: 'swiglu' }],
    /^search\.yaml:1:\d+ impossible-choice no layer of this rule can have attention "swiglu" \(Name one of parent, linear, no-op, or add it to space\.attention\.\)$/,
  ],
  [
    'what an earlier rule rules out',
    [
      { slot: 'attention', layers: [0, 1], only: 'parent' },
      { slot: 'attention', block: 'linear', atLeast: 2 },
    ],
    /^search\.yaml:1:\d+ impossible-choice at least 2 layers are asked for, but only 1 can have it \(Lower atLeast to 1, or loosen the other rules\.\)$/,
  ],
])('%s is refused at its place', async (_, choices, message) => {
  expect(await said(...choices)).toMatch(message)
})

test('good rules are taken', async () => {
  const rules = [
    { slot: 'attention', layers: 0, only: 'parent' },
    { slot: 'ffn', layers: '0-1', forbid: ['no-op'] },
    { slot: 'attention', block: 'linear', atLeast: 1, atMost: 2 },
  ]
  expect(await said(...rules)).toBe('nothing')
})
