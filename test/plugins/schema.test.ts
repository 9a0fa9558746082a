import { Ajv2020 } from 'ajv/dist/2020.js'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { specRegistry } from '../../cli/spec-registry.js'
import { allowing } from '../../plugins/loading/allowed.js'
import { schemaOfSpec } from '../../spec/schema.js'
import { goodSpec } from '../spec/good-spec.js'
import { echoSpec, folderWith, manifest, stageSource } from './folders.js'

const halved = `{ name: 'halved', slot: 'ffn', version: 1,
  parameters: { type: 'object', additionalProperties: false, properties: { by: { type: 'integer', minimum: 2 } } },
  variants() {}, id() {}, shapes() {}, initialise() {}, forward() {} }`

const plugin = {
  'mine/package.json': manifest('mine'),
  'mine/index.js': `export default { stages: [${stageSource('echo')}], blocks: [${halved}] }`,
}

const schemaOf = (text: string, allow = ['./mine']) => {
  const folder = folderWith({ 'spec.yaml': text, ...plugin })
  const registry = specRegistry(undefined, allowing(allow.map((text) => ({ text, folder }))))
  return schemaOfSpec(join(folder, 'spec.yaml'), registry)
}

/** As an editor does it: without puzzleflow's keywords. */
async function editorTakes(text: string): Promise<(changed: string) => boolean> {
  const { schema } = await schemaOf(text)
  const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false }).compile(schema!)
  return (changed) => validate(parse(changed))
}

test('the schema of a spec with a pipeline of its own knows the stages of its plugins', async () => {
  const spec = echoSpec('./mine', 'stages:\n  echo: { times: 3 }\n')
  const takes = await editorTakes(spec)
  expect(takes(spec)).toBe(true)
  expect(takes(spec.replace('times: 3', 'times: three'))).toBe(false)
  expect(takes(spec.replace('times: 3', 'tims: 3'))).toBe(false)
  expect(takes(spec.replace('echo: {}', 'echo: { with: { times: 3 } }'))).toBe(true)
  expect(takes(spec.replace('echo: {}', 'echo: { with: { tims: 3 } }'))).toBe(false)
  expect(takes(spec.replace('echo: {}', 'other: { uses: echo, with: { times: 3 } }'))).toBe(true)
  expect(takes(spec.replace('echo: {}', 'other: { uses: echo, with: { tims: 3 } }'))).toBe(false)
  expect(takes(spec.replace('pipeline:', 'pipelin:'))).toBe(false)
})

test('the schema of a spec of pipeline puzzle knows the block types and stages of its plugins', async () => {
  const spec = goodSpec
    .replace('seed: 7', 'plugins: [./mine]')
    .replace('{ block: swiglu, width: [75%, 50%] }', '{ block: halved, by: 2 }')
    .concat('  more: { uses: echo, with: { times: 1 } }\n')
  const takes = await editorTakes(spec)
  expect(takes(spec)).toBe(true)
  expect(takes(spec.replace('by: 2', 'by: 1'))).toBe(false)
  expect(takes(spec.replace('block: halved', 'block: halvd'))).toBe(false)
  expect(takes(spec.replace('times: 1', 'times: one'))).toBe(false)
})

test('a spec whose plugin is not allowed has no schema, and the reason is told', async () => {
  const { schema, diagnostics } = await schemaOf(echoSpec('./mine'), [])
  expect(schema).toBeUndefined()
  expect(diagnostics).toMatchObject([{ line: 3, code: 'plugin-not-allowed' }])
})

test('mistakes elsewhere in the spec do not keep its schema from an editor', async () => {
  const { schema, diagnostics } = await schemaOf(echoSpec('./mine', 'sed: 7\nstages: { echo: { times: x } }\n'))
  expect(diagnostics).toEqual([])
  expect(schema).toBeDefined()
})
