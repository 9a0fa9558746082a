import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const goodSpec = `apiVersion: puzzleflow/v1
name: quickstart
model: ./parent
data:
  train: { path: ./data/train.jsonl }
  validate: { path: ./data/validate.jsonl }
space:
  attention: [parent, { block: grouped-query, kvHeads: [2, 1] }, { block: linear }, no-op]
  ffn:
    - parent
    - { block: swiglu, width: [75%, 50%] }
    - no-op
target:
  scenario: { batch: 16, prefill: 64, generate: 128 }
  limits:
    throughput: ">= 1.7x"
    memory: "<= 70%"
  quality: ">= 97%"
tasks: ./tasks
seed: 7
stages:
  distill: { tokens: 50k, mode: decoupled }
  solve: { solutions: 3, minimumDifference: 20% }
`

/** A folder with a spec and the files that it names. */
export async function specFolder(text = goodSpec): Promise<{ readonly folder: string; readonly file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'spec-'))
  for (const name of ['parent', 'data', 'tasks']) await mkdir(join(folder, name))
  await writeFile(join(folder, 'parent/config.json'), '{}')
  await writeFile(join(folder, 'data/train.jsonl'), '{"text":"a"}\n')
  await writeFile(join(folder, 'data/validate.jsonl'), '{"text":"b"}\n')
  await writeFile(join(folder, 'tasks/add.jsonl'), '{"prompt":"1+1=","answer":"2"}\n')
  await writeFile(join(folder, 'search.yaml'), text)
  return { folder, file: join(folder, 'search.yaml') }
}
