import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestBytes, digestJson } from '../../store/digest.js'
import type { Bucket } from '../../store/s3-bucket.js'
import { S3Checkpoints } from '../../store/s3-checkpoints.js'
import { temporaryFolder } from '../temporary-folder.js'

const key = digestJson('task')

/** A bucket in memory. @param during  called with each upload */
function bucketOf(objects: Map<string, Buffer>, during: () => void = () => undefined): Bucket {
  const bucket: Partial<Record<keyof Bucket, unknown>> = {
    text: async (name: string) => (objects.has(name) ? { text: objects.get(name)!.toString() } : undefined),
    async upload(name: string, path: string) {
      during()
      objects.set(name, readFileSync(path))
    },
    put: async (name: string, text: string) => objects.set(name, Buffer.from(text)),
    removeAll: async (names: readonly string[]) => names.forEach((name) => objects.delete(name)),
    async download(name: string, path: string) {
      writeFileSync(path, objects.get(name)!)
      return digestBytes(objects.get(name)!)
    },
  }
  return bucket as Bucket
}

/** What a stage writes that has a file for each part and step, and one that names the step: the others are removed. */
function writeStep(folder: string, step: number): void {
  mkdirSync(join(folder, 'parts'), { recursive: true })
  for (const part of ['a', 'b']) writeFileSync(join(folder, 'parts', `${part}.${step}`), `${part} of ${step}`)
  writeFileSync(join(folder, 'manifest.tmp'), String(step))
  renameSync(join(folder, 'manifest.tmp'), join(folder, 'manifest'))
  for (const name of readdirSync(join(folder, 'parts')))
    if (!name.endsWith(`.${step}`)) rmSync(join(folder, 'parts', name))
}

test('a stage may replace all files of its checkpoint while they are uploaded: those of one moment are saved', async () => {
  const objects = new Map<string, Buffer>()
  const [here, there] = [temporaryFolder('here'), temporaryFolder('there')]
  let step = 1
  const folder = join(here, key)
  writeStep(folder, step)
  await new S3Checkpoints(
    bucketOf(objects, () => writeStep(folder, ++step)),
    here,
  ).save(key)
  expect(step).toBe(4)
  const other = new S3Checkpoints(bucketOf(objects), there)
  await other.fetch(key)
  const fetched = await other.open(key)
  expect(readFileSync(join(fetched, 'manifest'), 'utf8')).toBe('1')
  expect(readdirSync(join(fetched, 'parts')).sort()).toEqual(['a.1', 'b.1'])
})
