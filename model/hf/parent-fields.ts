import type { JsonObject } from '../../api/index.js'
import { isObject } from '../../api/json-object.js'

/** Restores the fields of a config.json that the model's ancestor has. An export for transformers replaces some, so that no
 *  program mistakes the child for its parent, and keeps the originals under `puzzleflow.parent`, with null for missing ones. */
export function parentFields(fields: JsonObject): JsonObject {
  const { puzzleflow } = fields
  if (!isObject(puzzleflow) || !isObject(puzzleflow.parent)) return fields
  const { parent, ...own } = puzzleflow
  const all = Object.entries({ ...fields, ...parent, puzzleflow: own })
  return Object.fromEntries(all.filter(([name, value]) => value !== null || parent[name] === undefined))
}

/** Replaces fields, and keeps the originals for `parentFields`. */
export function replacedFields(fields: JsonObject, replacement: JsonObject, puzzleflow: JsonObject): JsonObject {
  const parent = Object.fromEntries(Object.keys(replacement).map((name) => [name, fields[name] ?? null]))
  return { ...fields, ...replacement, puzzleflow: { ...puzzleflow, parent } }
}
