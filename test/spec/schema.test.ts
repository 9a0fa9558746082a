import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readSchema, schemaNames } from '../../schemas/read.js'
import { specSchema } from '../../spec/schema.js'
import { goodSpec } from './good-spec.js'
import { registry } from './registry.js'

/** As an editor does it: without puzzleflow's keywords. */
const strictAjv = () => new Ajv2020({ allErrors: true, strict: true, strictTypes: false, strictRequired: false })

test('the schema for editors has only standard keywords and takes the good spec', () => {
  const validate = strictAjv().compile(specSchema(registry))
  validate(parse(goodSpec))
  expect(validate.errors).toBeNull()
})

test.each([
  ['an unknown key', 'seed: 7', 'sed: 7'],
  ['an unknown parameter of a stage', 'tokens: 50k', 'tokns: 50k'],
  ['an unknown block', 'swiglu', 'swigul'],
  ['an unknown parameter of a block', 'kvHeads: [2, 1]', 'kvHeads: [2, 1], x: 1'],
  ['a wrong parameter of a block', '[75%, 50%]', '[75%, half]'],
  ['a missing input', 'model: ./parent\n', ''],
  ['a new stage without a type', 'distill: {', 'distil: {'],
])('the schema for editors refuses %s', (_, from, to) => {
  expect(goodSpec).toContain(from)
  expect(strictAjv().compile(specSchema(registry))(parse(goodSpec.replace(from, to)))).toBe(false)
})

test('the schema for editors describes what may be written', () => {
  const { properties, $defs } = specSchema(registry) as Record<
    string,
    Record<string, { properties: object; else: object }>
  >
  expect((properties!.target!.properties as typeof $defs)!.quality).toMatchObject({
    then: { $ref: '#/$defs/quality' },
    else: { type: 'string', examples: ['>= 97%', '>= 0.97x'] },
  })
  expect($defs!.quality!.properties).toMatchObject({
    perplexity: {
      type: 'string',
      description:
        'Upper bound on the perplexity of held-out text, as a multiple of the parent\'s. For example "<= 1.1x", "<= 110%".',
    },
  })
})

test.each([
  ["{ perplexity: '<= 1.1x', kl: '<= 0.05' }", true],
  ["{ accuracy: '>= 97%' }", true],
  ['{}', false],
  ["{ loss: '<= 3' }", false],
])('the schema for editors knows bounds on quality: %s', (written, fits) => {
  expect(strictAjv().compile(specSchema(registry))(parse(goodSpec.replace('">= 97%"', written)))).toBe(fits)
})

test.each([
  ['a block of one kind of weights', '[75%, 50%] }', '[75%, 50%], weights: int8 }', true],
  ['a block of several', '[75%, 50%] }', '[75%, 50%], weights: [float32, int4] }', true],
  ['the parent’s own block', '  ffn:\n    - parent', '  ffn:\n    - { block: parent, weights: [int8] }', true],
  ['a kind that there is not', '[75%, 50%] }', '[75%, 50%], weights: int6 }', false],
  ['a block without weights', '    - no-op', '    - { block: no-op, weights: int8 }', false],
])('the schema for editors knows the weights of %s', (_, from, to, fits) => {
  expect(goodSpec).toContain(from)
  expect(strictAjv().compile(specSchema(registry))(parse(goodSpec.replace(from, to)))).toBe(fits)
})

test('a pipeline that does not exist is named', () => {
  expect(() => specSchema(registry, 'nothing')).toThrow('There is no pipeline "nothing".')
})

test.each(schemaNames)('schema %s is a JSON Schema', (name) => {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false })
  ajv.addKeyword({ keyword: 'quantity' })
  expect(() => ajv.compile(readSchema(name))).not.toThrow()
})

test('the schema of problems takes the example of the contract', () => {
  const validate = new Ajv2020({ strict: false }).compile(readSchema('problem'))
  const option = { id: 'a', score: 0.12, costs: { memory: 1437.1, runtime: 816.9 } }
  const problem = { layers: [{ options: [option] }], limits: [{ cost: 'memory', max: 80000 }], solutions: 3, gap: 1e-4 }
  expect(validate(problem)).toBe(true)
  expect(validate({ ...problem, layers: [{ options: [] }] })).toBe(false)
  expect(validate({ ...problem, limit: 3 })).toBe(false)
})
