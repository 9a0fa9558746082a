import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import { Search } from './run-stage.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const said = async (...runs: JsonObject[]): Promise<string> => {
  const spec = tinySpec({ space: { attention: ['parent'], ffn: ['parent'], runs } })
  const error: unknown = await Search.open(world.folder, spec).catch((reason: unknown) => reason)
  return error instanceof Error ? error.message.replaceAll(`${world.folder}/`, '') : 'nothing'
}

test.each<[string, JsonObject, RegExp]>([
  [
    'a run type that does not exist',
    { run: 'fuse-fnn' },
    /^search\.yaml:1:\d+ unknown-run There is no run type "fuse-fnn"\. \(did you mean "fuse-ffn"\?\)$/,
  ],
  [
    'a key that no run has',
    { run: 'drop', spam: 2 },
    /^search\.yaml:1:\d+ unknown-key space\.runs\.0 has no key "spam"\. \(did you mean "span"\?\)$/,
  ],
  [
    'a run longer than the model',
    { run: 'drop', span: [1, 4] },
    /^search\.yaml:1:\d+ impossible-variant a run of 4 layers is impossible: the parent has 3 \(Use at most 3\.\)$/,
  ],
  [
    'a run of one layer where there is nothing to fuse',
    { run: 'fuse-ffn', span: 1 },
    /^search\.yaml:1:\d+ out-of-range space\.runs\.0\.span must be >= 2, not 1\.$/,
  ],
])('%s is refused at its place', async (_, run, message) => {
  expect(await said(run)).toMatch(message)
})

test('good runs are taken', async () => {
  expect(await said({ run: 'drop', span: [1, 2] }, { run: 'merge' }, { run: 'fuse-ffn', span: 3 })).toBe('nothing')
})
