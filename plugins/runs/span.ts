import { Failure, type JsonObject } from '../api/index.js'

/** Parameters of a run type that has its length alone. */
export interface SpanParams {
  readonly [key: string]: number
  readonly span: number
}

/** What a spec may write of it. @param least  fewest layers that make sense */
export const spanParameters = (least: number): object => ({
  type: 'object',
  additionalProperties: false,
  properties: {
    span: {
      description: 'Layers of a run.',
      anyOf: [
        { type: 'integer', minimum: least },
        { type: 'array', minItems: 1, items: { type: 'integer', minimum: least } },
      ],
    },
  },
})

/** The lengths that an entry asks for, the least where it names none. @throws Failure for one that cannot be */
export function spans(layers: number, entry: JsonObject, least: number): SpanParams[] {
  const wanted = [...new Set([entry.span ?? least].flat() as number[])]
  for (const span of wanted) {
    if (span < least)
      throw new Failure('InvalidInput', `a run of ${span} layer is impossible here`, {
        remedy: `Use ${least} or more.`,
      })
    if (span > layers)
      throw new Failure('InvalidInput', `a run of ${span} layers is impossible: the parent has ${layers}`, {
        remedy: `Use at most ${layers}.`,
      })
  }
  return wanted.map((span) => ({ span }))
}
