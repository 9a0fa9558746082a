import { expect, test } from 'vitest'
import { specRegistry } from '../../cli/spec-registry.js'
import { readSchema } from '../../schemas/read.js'
import { described } from '../../spec/described.js'
import { specSchema } from '../../spec/schema.js'

interface Node {
  readonly $ref?: string
  readonly description?: string
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly additionalProperties?: Node | boolean
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly allOf?: readonly Node[]
  readonly then?: Node
  readonly else?: Node
}

/** Paths of keys without a description, in a schema and all that it refers to. */
function undescribed(schema: Node): string[] {
  const found = new Set<string>()
  const seen = new Set<Node>()
  const refersTo = (ref: string) =>
    ref
      .slice(2)
      .split('/')
      .reduce((node, key) => (node as Record<string, Node>)[key]!, schema)
  const walk = (node: Node | boolean | undefined, path: string): void => {
    if (typeof node !== 'object' || seen.has(node)) return
    seen.add(node)
    if (node.$ref !== undefined) walk(refersTo(node.$ref), path)
    for (const [key, value] of Object.entries(node.properties ?? {})) {
      const meant = { ...(value.$ref === undefined ? {} : refersTo(value.$ref)), ...value }
      // `block: swiglu` of a type's own schema: the name is described where it is chosen.
      if (!('const' in meant) && !meant.description?.trim()) found.add(`${path}.${key}`)
      walk(value, `${path}.${key}`)
    }
    for (const own of [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])]) walk(own, path)
    for (const own of [node.then, node.else, node.items, node.additionalProperties]) walk(own, path)
  }
  walk(schema, '')
  return [...found]
}

test.each(['puzzle', 'iterative'])('every key of a spec of pipeline %s has a description', (pipeline) => {
  const schema = specSchema(specRegistry(), pipeline)
  expect(undescribed(schema)).toEqual([])
})

test('a key without a description would be found', () => {
  expect(undescribed({ properties: { a: { properties: { b: {}, c: { description: 'c' } } } } })).toEqual(['.a', '.a.b'])
})

test.each(['config', 'problem', 'pipeline'] as const)(
  'every key of what users write as %s has a description',
  (name) => {
    expect(undescribed(readSchema(name) as Node)).toEqual([])
  },
)

test('every block, run and stage type says what it does', () => {
  const { blocks, runs, stages } = specRegistry()
  const without = [
    ...(['attention', 'ffn'] as const).flatMap((slot) => blocks.names(slot).map((name) => blocks.get(slot, name)!)),
    ...runs.names().map((name) => runs.get(name)!),
    ...stages.names().map((name) => stages.get(name)!),
  ].filter(({ about }) => !about?.summary)
  expect(without.map(({ name }) => name)).toEqual([])
})

test('descriptions for editors say default and bounds, once', () => {
  const schema = {
    properties: {
      a: { description: 'A.', type: 'integer', default: 3, minimum: 1, maximum: 9 },
      b: { description: 'B. Default: all.', default: [] },
      c: { description: 'C.', exclusiveMinimum: 0 },
      description: { description: 'D.', default: 'x' },
      e: { default: { description: 'not a schema' } },
    },
  }
  expect(described(schema)).toMatchObject({
    properties: {
      a: { description: 'A. Default: 3. At least 1, at most 9.' },
      b: { description: 'B. Default: all.' },
      c: { description: 'C. Above 0.' },
      description: { description: 'D. Default: "x".' },
      e: { default: { description: 'not a schema' } },
    },
  })
})
