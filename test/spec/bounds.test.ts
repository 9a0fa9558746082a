import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { builtInBlocks } from '../../plugins/blocks/index.js'
import { builtInPipeline, builtInPipelines } from '../../plugins/registry.js'
import { builtInRuns } from '../../plugins/runs/index.js'
import { builtInStages } from '../../plugins/stages/index.js'
import { readSchema } from '../../schemas/read.js'
import { checkValue } from '../../spec/validate.js'
import { parseQuantity, quantityKinds } from '../../spec/units.js'

type Schema = Readonly<Record<string, unknown>>
const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Places of a schema where any number is allowed, or a list of any length. */
function unbounded(value: unknown, at: string): string[] {
  if (Array.isArray(value)) return value.flatMap((part, i) => unbounded(part, `${at}/${i}`))
  if (!isSchema(value)) return []
  const is = (type: string) => value.type === type || (Array.isArray(value.type) && value.type.includes(type))
  const open = [
    ...((is('integer') || is('number')) && value.maximum === undefined && !value.enum ? [at] : []),
    ...(is('array') && value.maxItems === undefined ? [at] : []),
  ]
  return [...open, ...Object.entries(value).flatMap(([key, part]) => unbounded(part, `${at}/${key}`))]
}

test.each<readonly [string, object]>([
  ['a spec', readSchema('spec')],
  ['a pipeline', readSchema('pipeline')],
  ...builtInPipelines().map((name) => {
    const { inputs } = parse(builtInPipeline(name)!.text) as { inputs?: object }
    return [`pipeline ${name}`, inputs ?? {}] as const
  }),
  ...builtInStages.map(({ name, parameters = {} }) => [`stage ${name}`, parameters] as const),
  ...builtInBlocks.map(({ slot, name, parameters }) => [`${slot} ${name}`, parameters] as const),
  ...builtInRuns.map(({ name, parameters }) => [`run type ${name}`, parameters] as const),
])('every number and every list of %s has an upper bound', (_, schema) => {
  expect(unbounded(schema, '')).toEqual([])
})

test('every kind of quantity has an upper bound, or is a limit that a child must meet', () => {
  const open = quantityKinds.filter((kind) => {
    const parsed = parseQuantity(kind, 1e300)
    return 'value' in parsed && typeof parsed.value === 'number'
  })
  // Schemas that use these two for numbers without units have bounds of their own.
  expect(open).toEqual(['number'])
})

/** What is said of a value that a schema does not allow. */
const said = (schema: object, value: unknown): string =>
  checkValue({ type: 'object', properties: { value: schema } }, { value: value as never }, 'stages.s')
    .findings.map(({ message }) => message)
    .join('\n')

test.each<[string, object, unknown, string]>([
  [
    'a number',
    { type: 'integer', maximum: 1000, reason: 'each one is timed' },
    1e9,
    'stages.s.value must be <= 1000, not 1000000000: each one is timed.',
  ],
  [
    'a quantity in words',
    { quantity: 'duration', maximum: 86_400, reason: 'a day is long' },
    '2 days',
    'stages.s.value: "2 days" is more than 86400: a day is long.',
  ],
  [
    'a quantity as a number',
    { quantity: 'duration', maximum: 86_400 },
    1e6,
    'stages.s.value must be <= 86400, not 1000000.',
  ],
  [
    'a quantity beyond all',
    { quantity: 'duration' },
    '1000000 days',
    'stages.s.value: "1000000 days" is not a valid duration: it is more than 315360000.',
  ],
  [
    'a list',
    { type: 'array', maxItems: 2, reason: 'each one is trained' },
    [1, 2, 3],
    'stages.s.value has 3 entries; at most 2 are possible: each one is trained.',
  ],
  [
    'a map',
    { type: 'object', maxProperties: 1 },
    { a: 1, b: 2 },
    'stages.s.value has 2 entries; at most 1 are possible.',
  ],
])('%s above its bound is refused with the bound and the reason', (_, schema, value, message) => {
  expect(said(schema, value)).toBe(message)
})
