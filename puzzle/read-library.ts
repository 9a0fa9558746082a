import type { Environment } from '../api/index.js'
import type { DistillOutputs } from './hand-over.js'
import { readJson, type LibraryEntry } from './library.js'

/** Reads the library of `distill`, by entry id. */
export async function readLibrary(
  context: Pick<Environment, 'open'> & { readonly stages: { readonly distill: DistillOutputs } },
): Promise<Map<string, LibraryEntry>> {
  const entries = await readJson(context, context.stages.distill.files.library)
  return new Map(entries.map((entry) => [entry.id, entry]))
}
