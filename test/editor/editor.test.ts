import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { runHere } from '../cli/here.js'
import { Place } from '../cli/puzzleflow.js'
import { LanguageServer } from './language-server.js'

let place: Place
let editor: LanguageServer
beforeAll(async () => {
  place = new Place(mkdtempSync(join(tmpdir(), 'puzzleflow-editor-')))
  writeFileSync(join(place.folder, 'spec.schema.json'), (await runHere(place, 'schema')).stdout)
  editor = await LanguageServer.start(place.folder)
})
afterAll(async () => {
  await editor.close()
  await place.close()
})

const within = (text: string, schema = 'spec.schema.json') => `# yaml-language-server: $schema=${schema}\n${text}`
const proposed = async (text: string, schema?: string) =>
  (await editor.complete(within(text, schema))).map(({ label }) => label)

describe('an editor proposes', () => {
  test.each([
    ['the keys of a spec', '‸', ['apiVersion', 'name', 'model', 'data', 'space', 'target', 'stages', 'tasks']],
    ['pipelines', 'pipeline: ‸', ['puzzle', 'iterative']],
    ['stages', 'stages:\n  ‸', ['prepare', 'profile', 'distill', 'score', 'solve', 'uptrain', 'evaluate-child']],
    ['parameters of a stage', 'stages:\n  distill:\n    ‸', ['tokens', 'batch', 'learningRate', 'training']],
    ['values of a parameter', 'stages:\n  distill:\n    training: ‸', ['gradient', 'closed-form', 'none']],
    ['blocks', 'space:\n  ffn:\n    - ‸', ['parent', 'swiglu', 'low-rank', 'linear', 'no-op', 'block']],
    ['blocks of a slot', 'space:\n  attention:\n    - block: ‸', ['grouped-query', 'latent-attention', 'no-op']],
    ['parameters of a block', 'space:\n  ffn:\n    - block: swiglu\n      ‸', ['width', 'channels', 'weights']],
    [
      'limits',
      'target:\n  limits:\n    ‸',
      ['throughput', 'memory', 'prefill', 'tokenLatency', 'latency', 'parameters'],
    ],
    ['forms of a limit', 'target:\n  limits:\n    throughput: ‸', ['">= 1.7x"', '5500 tokens/s']],
    ['how tasks are run', 'execution:\n  distill:\n    ‸', ['retry', 'timeout', 'queue', 'onFailure']],
    ['ways to fail', 'execution:\n  distill:\n    onFailure: ‸', ['fail-fast', 'finish-running', 'continue', 'wait']],
    ['runs of layers', 'space:\n  runs:\n    - run: ‸', ['drop', 'merge', 'fuse-ffn']],
  ])('%s', async (_, text, labels) => {
    expect(await proposed(text)).toEqual(expect.arrayContaining(labels))
  })

  test('no parameters of another block', async () => {
    expect(await proposed('space:\n  attention:\n    - block: latent-attention\n      ‸')).not.toContain('kvHeads')
  })
})

describe('an editor explains', () => {
  test.each([
    ['a key', 'see‸d: 3', 'Seed of all random numbers. Default: 1. At least 0, at most 4294967295.'],
    ['a stage', 'stages:\n  dist‸ill: {}', 'Trains each variant of each layer on its own'],
    ['a parameter with its forms', 'stages:\n  distill:\n    tok‸ens: 50k', 'For example 50000, 50k, 1.5M.'],
    [
      'a block, and when it pays',
      'space:\n  ffn:\n    - block: swi‸glu',
      'fewer channels. When it pays: Almost everywhere',
    ],
    ['a block written as a name', 'space:\n  ffn: [par‸ent]', 'The parent’s own block.'],
    ['a parameter of a block', 'space:\n  ffn:\n    - { block: swiglu, wid‸th: [50%] }', 'Numbers of channels to keep'],
    ['data', 'data:\n  tra‸in: { path: x }', 'What calibrates, distils and uptrains.'],
    ['a limit', 'target:\n  limits:\n    mem‸ory: 80 GiB', 'Memory for weights and state'],
  ])('%s', async (_, text, words) => {
    expect(await editor.hover(within(text))).toContain(words)
  })
})

test('an editor underlines what puzzleflow refuses', async () => {
  const text =
    'apiVersion: puzzleflow/v1\nnam: x\nspace:\n  ffn: [{ block: swigul }]\nstages: { distil: { tokens: 3 } }\n'
  expect(await editor.mistakes(within(text))).toEqual(
    expect.arrayContaining([
      'Property nam is not allowed.',
      'Property tokens is not allowed.',
      'Missing property "model".',
    ]),
  )
})

test('an editor finds nothing wrong with the quickstart, by the schema that its first line names', async () => {
  cpSync(join(packageRoot(), 'schemas/editor'), join(place.folder, 'schemas/editor'), { recursive: true })
  const spec = readFileSync(join(packageRoot(), 'examples/quickstart/search.yaml'), 'utf8')
  const [head = ''] = spec.split('\n')
  expect(head).toBe('# yaml-language-server: $schema=../../schemas/editor/spec.schema.json')
  expect(await editor.mistakes(spec.replace('../../', ''))).toEqual([])
})

test('with `schema --spec`, an editor knows the blocks of the spec’s plugins', async () => {
  const plugin = join(packageRoot(), 'examples/plugin-short-convolution')
  writeFileSync(join(place.folder, 'spec.yaml'), `apiVersion: puzzleflow/v1\nname: x\nplugins: [${plugin}]\n`)
  const { code, stdout, stderr } = await runHere(place, 'schema', '--spec', 'spec.yaml', '--allow-plugin', plugin)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  writeFileSync(join(place.folder, 'plugins.schema.json'), stdout)
  const names = await proposed('space:\n  attention:\n    - block: ‸', 'plugins.schema.json')
  expect(names).toContain('short-convolution')
  expect(
    await proposed('space:\n  attention:\n    - block: short-convolution\n      ‸', 'plugins.schema.json'),
  ).toContain('kernel')
  expect(await proposed('space:\n  attention:\n    - block: ‸')).not.toContain('short-convolution')
})
