/** JSON Schema of numbers that a spec may write, one or a list. */
const count = { type: 'integer', minimum: 1 }
export const counts = { oneOf: [count, { type: 'array', minItems: 1, items: count }] }

/** JSON Schema of a number, or a percentage of what the parent has. */
export const countOrShare = { anyOf: [count, { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)? ?%$' }] }
