import type { Json, JsonObject } from '../../api/index.js'

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Fields of a config.json as the model that this one descends from has them. An export for transformers replaces some, so
 *  that nothing takes the child for its parent, and keeps them under `puzzleflow.parent`: null where there was none. */
export function parentFields(fields: JsonObject): JsonObject {
  const { puzzleflow } = fields
  if (!isObject(puzzleflow) || !isObject(puzzleflow.parent)) return fields
  const { parent, ...own } = puzzleflow
  const all = Object.entries({ ...fields, ...parent, puzzleflow: own })
  return Object.fromEntries(all.filter(([name, value]) => value !== null || parent[name] === undefined))
}

/** The fields with others in their place, from which `parentFields` makes the same again. */
export function replacedFields(fields: JsonObject, replacement: JsonObject, puzzleflow: JsonObject): JsonObject {
  const parent = Object.fromEntries(Object.keys(replacement).map((name) => [name, fields[name] ?? null]))
  return { ...fields, ...replacement, puzzleflow: { ...puzzleflow, parent } }
}
