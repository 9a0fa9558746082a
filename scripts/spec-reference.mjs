// Writes docs/spec.md from the schemas: `node scripts/spec-reference.mjs`; with --check it only compares.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { build, install, root } from './setup.mjs'

if (!process.argv.includes('--check')) {
  install()
  build()
}
const { specRegistry } = await import('../dist/cli/spec-registry.js')
const { specSchema } = await import('../dist/spec/schema.js')

const schema = specSchema(specRegistry())
const definition = (node) => (node.$ref ? schema.$defs[node.$ref.replace('#/$defs/', '')] : node)

/** The type of a value, in a few words. */
function type(node) {
  const own = definition(node)
  if ('const' in own) return `\`${JSON.stringify(own.const)}\``
  if (own.enum) return own.enum.map((value) => `\`${value}\``).join(', ')
  // A number may be written with a unit or as a text: the examples say how.
  const numeric = Array.isArray(own.type) && /^(integer|number),string$/.test(own.type.join())
  if (numeric) return own.type[0] === 'integer' ? 'whole number' : 'number'
  const either = own.anyOf ?? own.oneOf ?? (own.then && own.else && [own.else, own.then])
  if (either) return [...new Set(either.map(type))].join(' or ')
  if (own.type === 'array') return `list of ${own.items ? type(own.items) : 'anything'}`
  if (own.type === 'object') return 'map'
  return Array.isArray(own.type)
    ? own.type.join(' or ')
    : own.type === 'string'
      ? 'text'
      : own.type === 'integer'
        ? 'whole number'
        : (own.type ?? 'anything')
}

function row(name, node, required) {
  const own = { ...definition(node), ...node }
  const simple = own.default !== undefined && JSON.stringify(own.default).length < 40
  const fallback = required ? 'required' : simple ? `\`${JSON.stringify(own.default)}\`` : ''
  const bounds = [
    own.minimum !== undefined ? `at least ${own.minimum}` : '',
    own.exclusiveMinimum !== undefined ? `above ${own.exclusiveMinimum}` : '',
    own.maximum !== undefined ? `at most ${own.maximum}` : '',
  ].filter(Boolean)
  const text = [own.description ?? '', bounds.length ? `(${bounds.join(', ')})` : ''].filter(Boolean).join(' ')
  return `| \`${name}\` | ${type(own)} | ${fallback} | ${text.replaceAll('|', '\\|').replaceAll('\n', ' ')} |`
}

/** Rows of a map's keys, those of maps within by their path. */
function rows(node, prefix = '') {
  const own = definition(node)
  return Object.entries(own.properties ?? {}).flatMap(([name, value]) => {
    const inner = definition(value)
    const path = `${prefix}${name}`
    // Of two forms, the map is the second.
    const map = inner.then && definition(inner.then).properties ? definition(inner.then) : inner
    const nested = map.properties && map.type === 'object' ? rows(map, `${path}.`) : []
    const item = inner.type === 'array' && inner.items && definition(inner.items).properties
    return [row(path, value, own.required?.includes(name)), ...nested, ...(item ? rows(inner.items, `${path}[].`) : [])]
  })
}
const table = (lines) =>
  lines.length === 0 ? ['None.', ''] : ['| key | value | default | |', '|---|---|---|---|', ...lines, '']

const { stages, execution, space, ...top } = schema.properties
const lines = [
  '# Spec reference',
  '',
  'Made from the schemas by `node scripts/spec-reference.mjs`; a test compares. Editors complete specs from `puzzleflow schema spec > spec.schema.json` and a first line `# yaml-language-server: $schema=spec.schema.json`. Quantities are numbers or texts with units; `puzzleflow validate SPEC` names every mistake with line and column.',
  '',
  '## Keys of a spec',
  '',
  ...table([
    ...rows({ properties: top, required: [...schema.required, ...schema.then.required] }),
    row('space', space, true),
    ...rows(space, 'space.'),
    row('stages', {
      ...stages,
      description:
        'By stage: its parameters (below); `false` leaves it out; `{ uses: …, needs: […], with: {…} }` adds one.',
    }),
    row('execution', {
      ...execution,
      description: 'By stage: how its tasks are run (below). Results do not depend on it.',
    }),
  ]),
  '## Block types: entries of `space.attention` and `space.ffn`',
  '',
  'A name (`no-op`), or a map with `block:` and its parameters.',
  '',
]
for (const slot of ['attention', 'ffn'])
  for (const { if: when, then } of schema.$defs[`${slot}-block`].anyOf.at(-1).allOf) {
    const { block, ...parameters } = then.properties
    lines.push(`### ${slot}: \`${when.properties.block.const}\``, '')
    lines.push(...table(rows({ properties: parameters, required: then.required })))
  }
lines.push('## Stages of pipeline `puzzle`: keys of `stages`', '')
for (const [name, { anyOf }] of Object.entries(stages.properties))
  lines.push(`### \`${name}\``, '', ...table(rows(anyOf[0])))
const inRounds = Object.entries(specSchema(specRegistry(), 'iterative').properties.stages.properties)
const more = inRounds.filter(([name]) => !(name in stages.properties))
lines.push(
  '## Stages of pipeline `iterative`: keys of `stages`',
  '',
  'Those of `puzzle`, and these, each with the keys of a stage there ([scores.md](scores.md#two-rounds)). What the spec does not set of them is as it is for that stage.',
  '',
  ...more.map(([name, { anyOf }]) => {
    const type = anyOf[0].$ref.replace('#/$defs/stage-', '')
    return type === name ? `- \`${name}\`, without keys` : `- \`${name}\`: \`${type}\``
  }),
  '',
)
lines.push('## Execution: keys of `execution.STAGE`', '', ...table(rows(Object.values(execution.properties)[0])))

const file = join(root, 'docs', 'spec.md')
const text = await format(lines.join('\n'), { ...(await resolveConfig(file)), parser: 'markdown' })
if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== text) {
    console.error('docs/spec.md does not match the schemas: run node scripts/spec-reference.mjs')
    process.exitCode = 1
  }
} else writeFileSync(file, text)
