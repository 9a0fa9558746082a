/** No block of any model is as wide, and no window as long. */
const count = { type: 'integer', minimum: 1, maximum: 2 ** 24 }

/** JSON Schema of a positive integer or a list of them. */
export const counts = { oneOf: [count, { type: 'array', minItems: 1, maxItems: 1000, items: count }] }

/** JSON Schema of a positive integer, or a percentage of the parent's number. */
export const countOrShare = { anyOf: [count, { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)? ?%$' }] }

/** JSON Schema of one of a block's `$defs`, or of a list of them. */
export const oneOrMore = (name: string) => {
  const one = { $ref: `#/$defs/${name}` }
  return { anyOf: [one, { type: 'array', minItems: 1, maxItems: 1000, items: one }] }
}
