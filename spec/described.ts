type Schema = Readonly<Record<string, unknown>>

/** Keywords whose values are not schemas. */
const values = ['default', 'examples', 'const', 'enum', 'required']

/** A schema whose descriptions also say the default and the bounds of a value, which editors do not show by themselves. */
export function described(schema: Schema): Schema {
  const entries = Object.entries(schema).map(([key, value]) => [key, values.includes(key) ? value : inner(value)])
  const copy = Object.fromEntries(entries) as Record<string, unknown>
  // Below `properties`, `description` is the schema of a property of that name.
  if (typeof schema.description === 'string') copy.description = [schema.description, ...facts(schema)].join(' ')
  return copy
}

const inner = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inner)
  return typeof value === 'object' && value !== null ? described(value as Schema) : value
}

function facts({ description, default: fallback, minimum, exclusiveMinimum, maximum }: Schema): string[] {
  const isSaid = (description as string).includes('Default:')
  const isPlain = fallback !== undefined && JSON.stringify(fallback).length < 60
  const least = minimum === undefined ? exclusiveMinimum : minimum
  const bounds = [
    ...(least === undefined ? [] : [`${minimum === undefined ? 'above' : 'at least'} ${least as number}`]),
    ...(maximum === undefined ? [] : [`at most ${maximum as number}`]),
  ].join(', ')
  return [
    ...(isPlain && !isSaid ? [`Default: ${JSON.stringify(fallback)}.`] : []),
    ...(bounds === '' ? [] : [`${bounds[0]!.toUpperCase()}${bounds.slice(1)}.`]),
  ]
}
