import { originsOf, readRecords } from '../lineage/inventory.js'
import { needsOf } from '../lineage/needs.js'
import { Failure, type Outputs } from '../api/index.js'
import { describedTypes } from '../plugins/loading/load.js'
import type { ArtifactRef, Store } from '../store/index.js'
import { readRun, type RunDocument } from './runs.js'
import { typed } from './typed.js'

/** The artifact that a user names, by the beginning of its digest or as a file of a run's stage.
 *  @throws Failure InvalidInput */
export async function findArtifact(store: Store, what: readonly string[]): Promise<ArtifactRef> {
  if (what.length === 1) return byDigest(store, what[0]!)
  if (what.length === 3) return byFile(store, what[0]!, what[1]!, what[2]!)
  throw new Failure('InvalidInput', `${what.length} words do not name an artifact`, {
    remedy: 'Give DIGEST, or RUN STAGE FILE.',
  })
}

async function byDigest(store: Store, start: string): Promise<ArtifactRef> {
  if (!/^[0-9a-f]{6,64}$/.test(start))
    throw new Failure('InvalidInput', `"${start}" is neither a digest nor the beginning of one`, {
      remedy: `Give at least six of its hexadecimal digits: \`${typed('artifacts', 'ls')}\`.`,
    })
  const matching = []
  for await (const stored of store.artifacts()) if (stored.digest.startsWith(start)) matching.push(stored)
  const [only, another] = matching
  if (!only || another)
    throw new Failure(
      'InvalidInput',
      `${matching.length === 0 ? 'No artifact begins' : 'Several artifacts begin'} with "${start}"`,
      { remedy: `See \`${typed('artifacts', 'ls')}\`.` },
    )
  const kind = originsOf(await readRecords(store), []).get(only.digest)?.kind ?? 'unknown'
  return { digest: only.digest, bytes: only.bytes, kind }
}

async function byFile(store: Store, run: string, stage: string, file: string): Promise<ArtifactRef> {
  const outputs = await outputsByStage(store, await readRun(store, run))
  const stageOutputs = outputs[stage]
  if (!stageOutputs)
    throw new Failure('InvalidInput', `The run "${run}" has no outputs of the stage "${stage}"`, {
      remedy: `Stages with outputs: ${Object.keys(outputs).join(', ') || 'none yet'}.`,
    })
  const ref = stageOutputs.files[file]
  if (!ref)
    throw new Failure('InvalidInput', `The stage "${stage}" of the run "${run}" has no file "${file}"`, {
      remedy: `Files: ${Object.keys(stageOutputs.files).join(', ') || 'none'}.`,
    })
  return ref
}

/** Outputs of finished stages, even while others run. */
async function outputsByStage(store: Store, run: RunDocument): Promise<Record<string, Outputs>> {
  if (run.outputs) {
    const read = async ([name, ref]: [string, ArtifactRef]) => [name, (await store.readJson(ref)) as Outputs] as const
    return Object.fromEntries(await Promise.all(Object.entries(run.outputs).map(read)))
  }
  const records = await readRecords(store)
  return Object.fromEntries((await needsOf(store, records, run, describedTypes)).outputs)
}
