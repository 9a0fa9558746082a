import { Failure, type JsonObject } from '../../api/index.js'

/** Parameters of a run type whose only parameter is its length. */
export interface SpanParams {
  readonly [key: string]: number
  readonly span: number
}

/** JSON Schema of the parameters. @param least  the smallest meaningful number of layers */
export function spanParameters(least: number): object {
  const span = { type: 'integer', minimum: least, maximum: 1000 }
  return {
    type: 'object',
    additionalProperties: false,
    properties: {
      span: {
        description: 'Numbers of consecutive layers to replace.',
        anyOf: [span, { type: 'array', minItems: 1, maxItems: 1000, items: span }],
      },
    },
  }
}

/** Returns the lengths that an entry requests, `least` by default. @throws Failure if the model cannot have such a run */
export function spans(layers: number, entry: JsonObject, least: number): SpanParams[] {
  const wanted = [...new Set([entry.span ?? least].flat() as number[])]
  for (const span of wanted) {
    if (span < least)
      throw new Failure('InvalidInput', `a run of ${span} ${span === 1 ? 'layer' : 'layers'} is too short`, {
        remedy: `Use ${least} or more.`,
      })
    if (span > layers)
      throw new Failure('InvalidInput', `a run of ${span} layers is impossible: the parent has ${layers}`, {
        remedy: `Use at most ${layers}.`,
      })
  }
  return wanted.map((span) => ({ span }))
}
