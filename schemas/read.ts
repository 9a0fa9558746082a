import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The JSON Schemas in this folder of what users write or read. */
export const schemaNames = ['spec', 'pipeline', 'problem', 'result', 'curve', 'plugin', 'config'] as const
export type SchemaName = (typeof schemaNames)[number]
/** Of a frozen plan, which only puzzleflow writes and reads. */
type InternalName = 'plan'

/** A schema, freshly parsed. */
export function readSchema(name: SchemaName | InternalName): Record<string, unknown> {
  return JSON.parse(readFileSync(schemaPath(name), 'utf8')) as Record<string, unknown>
}

/** Absolute path of a schema's file. */
export function schemaPath(name: SchemaName | InternalName): string {
  return join(packageRoot(), 'schemas', `${name}.schema.json`)
}

/** Found by walking up, since compiled code lies one folder deeper than its sources. */
function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) throw new Error('Internal error: there is no package.json above schemas/')
  }
}
